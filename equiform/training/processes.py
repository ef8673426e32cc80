"""The processes of a run: one, or as many as torchrun started."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager

import torch
import torch.distributed as dist

from equiform.ops.distributed import world_size


def rank() -> int:
    """Number of this process among those of the run; 0 where it is the only one."""
    return dist.get_rank() if world_size() > 1 else 0


@contextmanager
def join_processes(device: str | torch.device | None = None) -> Generator[torch.device]:
    """Join the processes that torchrun started, if it did, and give the device of this one.

    On a CPU this process then keeps the memory that it frees: :func:`keep_freed_memory`.

    Args:
        device: ``"cpu"``, ``"cuda"`` or one GPU; a GPU where there is one, unless given. Under
            torchrun a ``"cuda"`` is the GPU of the local rank.
    """
    chosen = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    joins = "RANK" in os.environ and not dist.is_initialized()
    if chosen.type == "cuda" and chosen.index is None:
        chosen = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    if chosen.type == "cuda":
        torch.cuda.set_device(chosen)  # where collectives without a tensor run
    else:
        keep_freed_memory()
    if joins:
        dist.init_process_group("nccl" if chosen.type == "cuda" else "gloo")
    try:
        yield chosen
        if joins:
            dist.barrier()  # no rank leaves while another still talks to it
    finally:
        if joins:
            dist.destroy_process_group()


def keep_freed_memory() -> None:
    """Have the C library keep freed memory for the next tensor, where it is glibc.

    It maps blocks of over 32 MB, such as the activations of a large batch, from the system and
    gives them back when they are freed, so that at each step every page is mapped and zeroed again.
    """
    if sys.platform == "linux" and hasattr(library := ctypes.CDLL(None), "mallopt"):
        m_trim_threshold, m_mmap_max = -1, -4  # of malloc.h
        library.mallopt(m_mmap_max, 0)
        library.mallopt(m_trim_threshold, -1)
