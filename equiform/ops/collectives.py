"""The two collectives that all exchange between ranks is made of.

A rank alone, or a process without a process group, is world size 1: nothing is exchanged.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


def world_size() -> int:
    """Number of ranks of the default process group; 1 where there is none."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def all_gather(x: Tensor) -> list[Tensor]:
    """The tensors of all ranks, which must have one shape, dtype and kind of device."""
    parts = [torch.empty_like(x) for _ in range(world_size())]
    _run(dist.all_gather, parts, x)
    return parts


def all_reduce(x: Tensor) -> Tensor:
    """The sum over the ranks, written to x."""
    _run(dist.all_reduce, x)
    return x


def _run(collective: Callable[..., Any], *args: Any) -> None:
    try:
        collective(*args)
    except RuntimeError as error:
        ranks, reason = world_size(), str(error).partition("\n")[0]
        raise RuntimeError(
            f"rank {dist.get_rank()} of {ranks} waited for the others in vain: one of them has "
            "ended, or does something else; look at what it printed. Ranks wait as long as the "
            f"timeout of torch.distributed.init_process_group says. ({reason})"
        ) from error
