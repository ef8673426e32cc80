"""Lengths and functions of lengths, with derivatives of every order at zero too."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def root(q: Tensor) -> Tensor:
    """The square root of a square: its derivatives at zero are zero, not infinite."""
    zero = q <= 0  # and not of NaN, which stays
    return torch.where(zero, 0, torch.where(zero, 1, q).sqrt())


def squared(a: Tensor, dim: int = -1) -> Tensor:
    """|a|² along an axis, which is kept."""
    return (a * a).sum(dim=dim, keepdim=True)


def length(a: Tensor, dim: int = -1) -> Tensor:
    """|a| along an axis, which is kept; its derivatives at zero are zero."""
    # Over its largest entry a neither overflows nor underflows when squared. What that entry is
    # does not matter, so neither do its derivatives.
    size = a.detach().abs().amax(dim=dim, keepdim=True)
    size = torch.where(size == 0, 1, size)
    return size * root(squared(a / size, dim))


def within(a: Tensor, size: Tensor, bound: float) -> Tensor:
    """``a`` of a given size, made smaller where that is above a bound."""
    return a * (bound / size.clamp(min=bound))


def slope(fn: Callable[[Tensor], Tensor], cubic: float, t: Tensor, q: Tensor) -> Tensor:
    """fn(t) / t of an odd function t + cubic t³ + …, smooth in q = t² through zero."""
    # Below 1e-4 the next term of the series, of order t⁴, is under the rounding of float64.
    far = t > 1e-4
    wide = torch.where(far, t, 1)
    return torch.where(far, fn(wide) / wide, 1 + cubic * q)


def bend(fn: Callable[[Tensor], Tensor], curvature: float, t: Tensor, q: Tensor) -> Tensor:
    """fn(t) of cos or cosh, whose second derivative at zero is ``curvature``; as :func:`slope`."""
    far = t > 1e-4
    return torch.where(far, fn(torch.where(far, t, 1)), 1 + curvature / 2 * q)


def squared_chords(x: Tensor, y: Tensor) -> Tensor:
    """|x_i - y_j|² between all rows, ``(..., n, d), (..., m, d) -> (..., n, m)``, in O(n m) memory.

    With every derivative, in every mode; ``torch.cdist`` has the first only, wrong under vmap.
    """
    # The default of cdist goes through |x|² + |y|² - 2xy above 25 rows, which cancels.
    chords = torch.cdist(x.detach(), y.detach(), compute_mode="donot_use_mm_for_euclid_dist")
    # The derivatives of that polynomial do not cancel: it gives them, and no value.
    polynomial = squared(x) + squared(y).mT - 2 * (x @ y.mT)
    return chords.square() + (polynomial - polynomial.detach())
