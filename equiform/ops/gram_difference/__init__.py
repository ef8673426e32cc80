"""The Gram-difference op: the pairwise equivariance loss before normalisation."""

from equiform.ops.gram_difference.api import Backend, gram_difference
from equiform.ops.gram_difference.link import linked_difference

__all__ = ["Backend", "gram_difference", "linked_difference"]
