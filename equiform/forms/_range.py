"""Products of numbers up to the largest of their dtype: infinite where they overflow, never NaN."""

from __future__ import annotations

import torch
from torch import Tensor


def reduced(x: Tensor, y: Tensor, *, rows: bool = False) -> tuple[Tensor, Tensor]:
    """Rows of x over what keeps their products with y finite, and that: 1 for all but huge ones.

    With ``rows`` of each with all rows of y.
    """
    largest = torch.finfo(x.dtype).max
    # No partial sum of <x, y> is larger than d |x|∞ |y|∞.
    own, other = (z.detach().abs().amax(-1, keepdim=True) for z in (x, y))
    # What is not finite in y leaves the other products as they are.
    other = torch.where(other.isfinite(), other, 0)
    if rows:
        other = other.sum(-2, keepdim=True).clamp(max=largest)
    factor = (own / largest * x.shape[-1] * other).clamp(min=1, max=largest)
    if not x.is_complex():
        return x / factor, factor
    # Part by part, because complex division squares.
    return torch.view_as_complex(torch.view_as_real(x.resolve_conj()) / factor[..., None]), factor


def restored(product: Tensor, factor: Tensor) -> Tensor:
    """Products, written to, times the factors of their rows: only the result overflows."""
    if not product.is_complex():
        return product.mul_(factor)
    # Part by part, because complex products of infinity are NaN.
    return torch.view_as_complex(torch.view_as_real(product) * factor[..., None])
