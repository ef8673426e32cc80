"""The processes of a run: one, or as many as torchrun started."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.distributed as dist

from equiform.ops.distributed import world_size


def rank() -> int:
    """Number of this process among those of the run; 0 where it is the only one."""
    return dist.get_rank() if world_size() > 1 else 0


@contextmanager
def join_processes(device: str | torch.device | None = None) -> Iterator[torch.device]:
    """Join the processes that torchrun started, if it did, and give the device of this one.

    Args:
        device: ``"cpu"``, ``"cuda"`` or one GPU; a GPU where there is one, unless given. Under
            torchrun a ``"cuda"`` is the GPU of the local rank.
    """
    if device is None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
    chosen = torch.device(device)
    joins = "RANK" in os.environ and not dist.is_initialized()
    if chosen.type == "cuda" and chosen.index is None:
        chosen = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    if chosen.type == "cuda":
        torch.cuda.set_device(chosen)  # where collectives without a tensor run
    if joins:
        dist.init_process_group("nccl" if chosen.type == "cuda" else "gloo")
    try:
        yield chosen
        if joins:
            dist.barrier()  # no rank leaves while another still talks to it
    finally:
        if joins:
            dist.destroy_process_group()
