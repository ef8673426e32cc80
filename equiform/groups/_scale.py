"""Powers of two: a product with them rounds nothing, and keeps squares from overflowing."""

import torch
from torch import Tensor


def to_unit(*sets: Tensor) -> Tensor:
    """The power of two that brings the largest entry of matrices of one shape near 1.

    ``(..., n, d) -> (..., 1, 1)``, the same for all sets, a constant, and 1 for zeros.
    """
    if 0 in sets[0].shape[-2:]:
        return sets[0].real.new_ones(*sets[0].shape[:-2], 1, 1)
    entries = [x.detach().abs().amax((-2, -1), keepdim=True) for x in sets]
    largest = torch.stack(entries).amax(0)
    # Its reciprocal is to be finite too.
    return torch.where(largest == 0, 1, largest.log2().floor().clamp(-1000, 1000).neg().exp2())


def lift(x: Tensor, like: Tensor) -> Tensor:
    """x with axes after its own, as many as ``like`` has more."""
    return x.reshape(x.shape + (1,) * (like.ndim - x.ndim))
