"""The log-partition op in Triton: logits stream through registers, memory is linear in m.

A program owns a block of rows and reads all columns in order, so results have the same bits each
time. Products are exact float32 (``ieee``, no tf32) or float64. The mathematics is that of
:mod:`equiform.ops.info_nce.tiled`.
"""

# Arguments of kernels are pointers and numbers of Triton's own, which have no types here.
# pyright: reportMissingParameterType=false

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from equiform.ops.info_nce.triton.config import LAUNCH

#: Coordinates that a product takes at a time.
SLICE = 32


@triton.jit
def _logits(x, i, j, m, d, I: tl.constexpr, J: tl.constexpr, D: tl.constexpr):  # noqa: E741
    """Products of rows i with rows j, ``(I, J)``, d taken D at a time."""
    s = tl.zeros((I, J), x.dtype.element_ty)
    for first in range(0, d, D):
        k = first + tl.arange(0, D)
        a = tl.load(x + i[:, None] * d + k, (i < m)[:, None] & (k < d), other=0)
        b = tl.load(x + j[:, None] * d + k, (j < m)[:, None] & (k < d), other=0)
        s += tl.dot(a, tl.trans(b), input_precision="ieee")
    return s


@triton.jit
def _shift(peak):
    """What is subtracted in an exponent: inf - inf would be NaN in an empty or overflown row."""
    return tl.where(tl.abs(peak) == float("inf"), 0, peak)


@triton.jit
def _log_partition_kernel(
    x, out, start, stop, m, d,
    group: tl.constexpr, I: tl.constexpr, J: tl.constexpr, D: tl.constexpr,  # noqa: E741
):  # fmt: skip
    i = start + tl.program_id(0).to(tl.int64) * I + tl.arange(0, I)
    peak = tl.full((I,), float("-inf"), x.dtype.element_ty)
    total = tl.zeros((I,), x.dtype.element_ty)
    for first in range(0, m, J):
        j = (first + tl.arange(0, J)).to(tl.int64)
        s = _logits(x, i, j, m, d, I, J, D)
        s = tl.where(((i // group)[:, None] != j // group) & (j < m), s, float("-inf"))
        grown = tl.maximum(peak, tl.max(s, 1))
        shift = _shift(grown)
        total = total * tl.exp(peak - shift) + tl.sum(tl.exp(s - shift[:, None]), 1)
        peak = grown
    tl.store(out + (i - start), _shift(peak) + tl.log(total), i < stop)


@triton.jit
def _gradient_kernel(
    x, partition, weight, out, start, stop, m, d,
    group: tl.constexpr, I: tl.constexpr, J: tl.constexpr, D: tl.constexpr, K: tl.constexpr,  # noqa: E741
):  # fmt: skip
    # Programs of one row block and different slices of d compute the same logits each for itself.
    i = start + tl.program_id(0).to(tl.int64) * I + tl.arange(0, I)
    k = tl.program_id(1) * K + tl.arange(0, K)
    partition_i = tl.load(partition + i, i < m, other=0)[:, None]
    weight_i = tl.load(weight + i, i < m, other=0)[:, None]
    total = tl.zeros((I, K), x.dtype.element_ty)
    for first in range(0, m, J):
        j = (first + tl.arange(0, J)).to(tl.int64)
        s = _logits(x, i, j, m, d, I, J, D)
        partition_j = tl.load(partition + j, j < m, other=0)
        weight_j = tl.load(weight + j, j < m, other=0)
        pair = weight_i * tl.exp(s - partition_i) + weight_j * tl.exp(s - partition_j)
        pair = tl.where(((i // group)[:, None] != j // group) & (j < m), pair, 0)
        columns = tl.load(x + j[:, None] * d + k, (j < m)[:, None] & (k < d), other=0)
        total += tl.dot(pair, columns, input_precision="ieee")
    tl.store(out + (i - start)[:, None] * d + k, total, (i < stop)[:, None] & (k < d))


def log_partition(x: Tensor, group: int, rows: range) -> Tensor:
    """As :func:`equiform.ops.info_nce.tiled.log_partition`."""
    out = x.new_empty(len(rows))
    config = LAUNCH.configs_for(x).forward
    with torch.cuda.device_of(x):
        _log_partition_kernel[(triton.cdiv(len(rows), config.side),)](
            x, out, rows.start, rows.stop, *x.shape,
            group=group, I=config.side, J=config.side, D=SLICE,
            num_warps=config.num_warps, num_stages=config.num_stages,  # type: ignore[call-arg]
        )  # fmt: skip
    return out


def gradient(x: Tensor, partition: Tensor, weight: Tensor, group: int, rows: range) -> Tensor:
    """As :func:`equiform.ops.info_nce.tiled.gradient`."""
    out = x.new_empty(len(rows), x.shape[1])
    config = LAUNCH.configs_for(x).gradient
    grid = triton.cdiv(len(rows), config.side), triton.cdiv(x.shape[1], config.width)
    with torch.cuda.device_of(x):
        _gradient_kernel[grid](
            x, partition, weight, out, rows.start, rows.stop, *x.shape,
            group=group, I=config.side, J=config.columns, D=SLICE, K=config.width,
            num_warps=config.num_warps, num_stages=config.num_stages,  # type: ignore[call-arg]
        )  # fmt: skip
    return out
