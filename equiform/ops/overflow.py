"""Sums of differences of numbers that overflow: infinite, and not NaN as ∞ - ∞ is."""

from __future__ import annotations

import torch
from torch import Tensor


def infinite_overflow(result: Tensor, *sets: Tensor) -> Tensor:
    """A result that belongs to sets of points, with ∞ for NaN where all points are finite.

    Args:
        result: shape ``(...)``.
        sets: shape ``(..., n, d)``.
    """
    finite = torch.stack([x.isfinite().all(-1).all(-1) for x in sets]).all(0)
    return torch.where(result.isnan() & finite, torch.inf, result)
