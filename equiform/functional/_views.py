"""What losses of two views share: their shapes."""

from __future__ import annotations

import torch
from torch import Tensor

from equiform._points import at_least, check_one_device, check_points
from equiform.ops.distributed import world_size


def two_views(
    z1: Tensor, z2: Tensor, *, real: bool = False, gathered: bool = False
) -> tuple[Tensor, Tensor]:
    """Both views, of one shape ``(..., n, d)``, in their dtype, at least float32.

    There are points; where they are ``gathered`` from several ranks, not on each of them.
    """
    empty = gathered is True and world_size() > 1
    check_points(z1=z1, real=real, empty=True)
    check_points(z2=z2, real=real, empty=True)
    if z1.shape != z2.shape or 0 in (z1.shape[:-2] if empty else z1.shape):
        raise ValueError(
            "z1 and z2 must be two views of one non-empty shape (n, d), "
            f"got {tuple(z1.shape)} and {tuple(z2.shape)}"
        )
    check_one_device(z1=z1, z2=z2)
    z1, z2 = at_least(torch.float32, z1, z2)
    return z1, z2
