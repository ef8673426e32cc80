"""The Gram-difference op: the pairwise equivariance loss before normalisation."""

from equiform.ops.gram_difference.dispatch import gram_difference

__all__ = ["gram_difference"]
