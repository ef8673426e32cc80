"""What no common factor changes is measured where squares neither overflow nor vanish."""

from __future__ import annotations

import torch
from torch import Tensor

_SETS = (-2, -1)


def rescaled(*sets: Tensor, dim: int | tuple[int, ...] = _SETS) -> list[Tensor]:
    """All sets over one power of two, for each index off ``dim``; largest entries are then about 1.

    That rounds nothing. Zeros, NaN and infinity stay what they are.
    """
    unit = common_unit(*sets, dim=dim)
    return [over(x, unit) for x in sets]


def common_unit(*sets: Tensor, dim: int | tuple[int, ...] = _SETS) -> Tensor:
    """The power of two below the largest entry of all sets; 1 where that is 0 or not finite."""
    parts = [part for x in sets for part in ((x.real, x.imag) if x.is_complex() else (x,))]
    largest = torch.stack([x.detach().abs().amax(dim, keepdim=True) for x in parts]).amax(0)
    # frexp gives the largest as m 2^e with m in [1/2, 1).
    power = largest / (2 * torch.frexp(largest).mantissa)
    return torch.where(largest.isfinite() & (largest != 0), power, 1)


def over(x: Tensor, unit: Tensor) -> Tensor:
    """x over a real unit, which complex division would square."""
    return torch.complex(x.real / unit, x.imag / unit) if x.is_complex() else x / unit


def unit_rows(x: Tensor) -> Tensor:
    """Rows over their lengths, whatever these are; zeros stay zeros, with gradient zero."""
    (x,) = rescaled(x, dim=-1)
    still = (x == 0).all(-1, keepdim=True)
    # The length of zeros has no derivative, and none is asked for.
    length = torch.linalg.vector_norm(x.masked_fill(still, 1), dim=-1, keepdim=True)
    return (x / length).masked_fill(still, 0)
