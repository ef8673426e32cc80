"""Transformations to learn equivariance to, shared by the samples of a chunk."""

from equiform.augment.rotations import CloudBatch, random_rotations, rotate_chunks

__all__ = ["CloudBatch", "random_rotations", "rotate_chunks"]
