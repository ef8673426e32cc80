"""What all losses of two views share: the check of their shapes, and the precision they run in."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

import torch
from torch import Tensor

P = ParamSpec("P")
R = TypeVar("R")


def full_precision(
    loss: Callable[Concatenate[Tensor, Tensor, P], R],
) -> Callable[Concatenate[Tensor, Tensor, P], R]:
    """Check that both views have one shape, leave autocast and upcast half precision."""

    @wraps(loss)
    def wrapper(z1: Tensor, z2: Tensor, *args: P.args, **kwargs: P.kwargs) -> R:
        if z1.shape != z2.shape or z1.ndim < 2 or 0 in z1.shape:
            raise ValueError(
                f"{loss.__name__} needs two views of one non-empty shape (n, d), "
                f"got {tuple(z1.shape)} and {tuple(z2.shape)}"
            )
        dtype = torch.promote_types(torch.promote_types(z1.dtype, z2.dtype), torch.float32)
        z1, z2 = z1.to(dtype), z2.to(dtype)
        if not torch.is_autocast_enabled(z1.device.type):
            return loss(z1, z2, *args, **kwargs)
        with torch.autocast(z1.device.type, enabled=False):
            return loss(z1, z2, *args, **kwargs)

    return wrapper
