"""The host side that the Triton kernels of the Gram difference share."""

from typing import Any

import torch
from torch import Tensor

from equiform.ops.gram_difference.signed_permutation import SignedPermutation


def operands(a: Tensor, b: Tensor, j: SignedPermutation, mask: Tensor | None) -> tuple[Any, ...]:
    """The arguments that every kernel of D starts with, in their order.

    Strides are passed on as they are: no operand is ever copied. The mask travels as bytes and,
    where all chunks share it, with a chunk stride of 0.
    """
    c, n, d = a.shape
    mask_strides = (0, 0, 0)
    if mask is not None:
        mask = mask.expand(c, n, n).view(torch.uint8)
        mask_strides = mask.stride()
    return (a, b, j.index, j.sign, mask, n, d, *a.stride(), *b.stride(), *mask_strides)


def launch(kernel: Any, grid: tuple[int, ...], a: Tensor, *arguments: Any, **meta: Any) -> None:
    """Run a kernel on the device of its first operand, which need not be the current device."""
    with torch.cuda.device_of(a):
        kernel[grid](a, *arguments, **meta)


def ceil_div(n: int, size: int) -> int:
    """How many blocks of a size n takes."""
    return -(-n // size)
