"""Run a check on several gloo processes and bring its results back."""

from __future__ import annotations

import socket
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
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    mp.spawn(_worker, (size, port, check, str(folder), args), nprocs=size)
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(size)]


def _worker(
    rank: int, size: int, port: int, check: Callable[..., Any], folder: str, args: tuple[Any, ...]
) -> None:
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=size
    )
    torch.save(check(rank, size, *args), Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()
