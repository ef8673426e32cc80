"""Run a check on several gloo processes and bring its results back."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as mp


def on_ranks(size: int, check: Callable[..., Any], folder: Path, *args: Any) -> list[Any]:
    """``check(rank, size, *args)`` on each of ``size`` processes; what each returned, by rank.

    ``check`` is a function of a module and returns what ``torch.save`` takes.
    """
    mp.spawn(_worker, (size, check, str(folder), args), nprocs=size)
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(size)]


def _worker(
    rank: int, size: int, check: Callable[..., Any], folder: str, args: tuple[Any, ...]
) -> None:
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    # Through a file: a port that is free now may be taken when the ranks come to meet there.
    meeting = f"file://{folder}/meeting"
    dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=size)
    torch.save(check(rank, size, *args), Path(folder) / f"{rank}.pt")
    # No rank leaves while another still talks to it.
    dist.barrier()
    dist.destroy_process_group()
