"""The hot path: operators that the losses are made of."""

from equiform.ops.gram_difference import gram_difference
from equiform.ops.info_nce import log_partition

__all__ = ["gram_difference", "log_partition"]
