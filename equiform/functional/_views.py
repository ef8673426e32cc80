"""What all losses of two views share: their shapes and chunks, and the precision they run in."""

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


def split_chunks(z: Tensor, num_chunks: int) -> Tensor:
    """``(n, d) -> (num_chunks, n / num_chunks, d)``; a ``(c, n, d)`` input is chunked already."""
    if z.ndim == 3 and num_chunks in (1, len(z)):
        return z
    if z.ndim != 2:
        raise ValueError(
            f"embeddings must have shape (n, d), or (c, n, d) with num_chunks 1 or c, "
            f"got {tuple(z.shape)} with num_chunks={num_chunks}"
        )
    if num_chunks < 1 or len(z) % num_chunks:
        raise ValueError(
            f"a batch of {len(z)} does not divide into num_chunks={num_chunks}; "
            "drop the last batch (DataLoader(drop_last=True)) or choose a divisor"
        )
    return z.unflatten(0, (num_chunks, -1))


def reduce_chunks(loss: Tensor, reduction: str) -> Tensor:
    """Values of chunks, ``(c,)``, to their mean or sum, or as they are."""
    if reduction == "mean":
        return loss.mean()
    if reduction == "sum":
        return loss.sum()
    if reduction == "none":
        return loss
    raise ValueError(f"reduction must be 'mean', 'sum' or 'none', got {reduction!r}")
