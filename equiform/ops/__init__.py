"""The hot path: operators that the losses are made of."""

from equiform.ops.gram_difference import gram_difference

__all__ = ["gram_difference"]
