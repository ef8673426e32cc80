"""What losses of two views share: their shapes."""

from __future__ import annotations

import torch
from torch import Tensor

from equiform._points import at_least, check_points


def two_views(z1: Tensor, z2: Tensor, *, real: bool = False) -> tuple[Tensor, Tensor]:
    """Both views, of one non-empty shape ``(..., n, d)``, in their dtype, at least float32."""
    check_points(z1=z1, real=real, empty=True)
    check_points(z2=z2, real=real, empty=True)
    if z1.shape != z2.shape or not z1.numel():
        raise ValueError(
            "z1 and z2 must be two views of one non-empty shape (n, d), "
            f"got {tuple(z1.shape)} and {tuple(z2.shape)}"
        )
    z1, z2 = at_least(torch.float32, z1, z2)
    return z1, z2
