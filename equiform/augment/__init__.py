"""Transformations to learn equivariance to, shared by the samples of a chunk."""

from equiform.augment.rotations import (
    CloudBatch,
    random_rotations,
    reorient,
    rotate_chunks,
    tilt,
)

__all__ = ["CloudBatch", "random_rotations", "reorient", "rotate_chunks", "tilt"]
