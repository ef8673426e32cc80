"""When Triton kernels can run: Triton is an extra, and compiles for GPUs only."""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from equiform._extras import require


@functools.cache
def triton_is_installed() -> bool:
    """Whether ``import triton`` would succeed."""
    try:
        require("triton", extra="triton")
    except ImportError:
        return False
    return True


def triton_runs(device: torch.device) -> bool:
    """Whether kernels are the natural choice on a device: CUDA, with Triton installed."""
    return device.type == "cuda" and triton_is_installed()


def require_triton(x: Tensor) -> None:
    """Raise unless kernels asked for by name can run on x."""
    triton = require("triton", extra="triton")
    if not x.is_cuda and not triton.knobs.runtime.interpret:
        raise ValueError(
            f"backend='triton' needs CUDA tensors, got {x.device}; use backend='auto', or set "
            "TRITON_INTERPRET=1 before triton is imported"
        )
