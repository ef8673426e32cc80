"""Run a check on several gloo processes and bring its results back."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

#: A server imports once what each process would import for seconds, and forks before any thread.
START_METHOD = "forkserver" if sys.platform == "linux" else "spawn"
if START_METHOD == "forkserver":
    # The last two are what checkpointing and DistributedDataParallel import on their first call.
    modules = [
        "tests.distributed.ranks",
        "equiform.metrics",
        "torch._dynamo",
        "torch.distributed.tensor",
    ]
    mp.get_context(START_METHOD).set_forkserver_preload(modules)


def on_ranks(size: int, check: Callable[..., Any], folder: Path, *args: Any) -> list[Any]:
    """``check(rank, size, *args)`` on each of ``size`` processes; what each returned, by rank.

    ``check`` is a function of a module and returns what ``torch.save`` takes.
    """
    mp.start_processes(
        _worker, (size, check, str(folder), args), nprocs=size, start_method=START_METHOD
    )
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(size)]


def _worker(
    rank: int, size: int, check: Callable[..., Any], folder: str, args: tuple[Any, ...]
) -> None:
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    # Through a file: a port that is free now may be taken when the ranks come to meet there.
    meeting = f"file://{folder}/meeting"
    # Where ranks wait for each other a test fails, and does not hang.
    dist.init_process_group(
        "gloo",
        init_method=meeting,
        timeout=timedelta(minutes=2),
        rank=rank,
        world_size=size,
    )
    torch.save(check(rank, size, *args), Path(folder) / f"{rank}.pt")
    # No rank leaves while another still talks to it.
    dist.barrier()
    dist.destroy_process_group()
