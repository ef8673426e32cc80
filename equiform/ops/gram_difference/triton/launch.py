"""The host side that the Triton kernels of the Gram difference share."""

from typing import Any

import torch
from torch import Tensor

from equiform.ops.gram_difference.problem import Problem


def operands(problem: Problem) -> tuple[Any, ...]:
    """The arguments that every kernel of D starts with, in their order.

    Strides are passed on as they are: no operand is ever copied. The mask travels as bytes and,
    where all chunks share it, with a chunk stride of 0.
    """
    a, b, j, mask, *_ = problem
    c, n, d = a.shape
    mask_strides = (0, 0, 0)
    if mask is not None:
        mask = mask.expand(c, n, n).view(torch.uint8)
        mask_strides = mask.stride()
    return (a, b, j.index, j.sign, mask, n, d, *a.stride(), *b.stride(), *mask_strides)


def launch(
    kernel: Any, grid: tuple[int, ...], config: Any, a: Tensor, *arguments: Any, **meta: Any
) -> None:
    """Run a kernel on the device of its first operand, which need not be the current device.

    The fields of a config that are no option of Triton's own are the kernel's constants, in capital
    letters.
    """
    for name, value in config._asdict().items():
        meta[name if name.startswith("num_") else name.upper()] = value
    with torch.cuda.device_of(a):
        kernel[grid](a, *arguments, **meta)


def ceil_div(n: int, size: int) -> int:
    """How many blocks of a size n takes."""
    return -(-n // size)
