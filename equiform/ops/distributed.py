r"""Collectives of a loss over the global batch, and the convention of their gradients.

Every rank returns the global loss L. :class:`torch.nn.parallel.DistributedDataParallel` averages
the parameter gradients of W ranks, so each rank's must be W times its share of the true one:

.. math:: \frac1W \sum_r W \frac{\partial L}{\partial z_r} \frac{\partial z_r}{\partial θ}
          = \frac{\partial L}{\partial θ}.

That is the derivative of the sum of what all ranks return, W L, hence what the adjoint of a
collective gives: :func:`gather_rows` sums the gradients of all ranks in its backward pass. Where
every rank does the same with the result, all W terms are one and the same, and the sum is W times
the own one: ``replicated=True`` promises it, and the backward pass then communicates nothing.

A rank alone, or a process without a process group, is world size 1: nothing is exchanged.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd.function import once_differentiable


def world_size() -> int:
    """Number of ranks of the default process group; 1 where there is none."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def gather_uneven(x: Tensor) -> tuple[Tensor, range]:
    """Rows of all ranks in order of rank; the number of rows may differ from rank to rank.

    Not differentiable. The sizes are read back to the host: on a GPU that waits for the device.

    Args:
        x: this rank's rows, shape ``(n, ...)``; trailing sizes and dtype are those of all ranks.

    Returns:
        The rows of all ranks, and which of them are this rank's.
    """
    ranks = world_size()
    if ranks == 1:
        return x, range(len(x))
    length = torch.tensor([len(x)], device=x.device)
    lengths = [torch.empty_like(length) for _ in range(ranks)]
    dist.all_gather(lengths, length)
    sizes = torch.cat(lengths).tolist()
    # Backends take equal sizes only, so that shards travel padded to the longest.
    padded = x.new_zeros(max(sizes), *x.shape[1:])
    padded[: len(x)] = x
    shards = [torch.empty_like(padded) for _ in sizes]
    dist.all_gather(shards, padded)
    start = sum(sizes[: dist.get_rank()])
    rows = torch.cat([shard[:size] for shard, size in zip(shards, sizes, strict=True)])
    return rows, range(start, start + len(x))


def gather_rows(x: Tensor, *, replicated: bool = False) -> tuple[Tensor, range]:
    """:func:`gather_uneven`, differentiable once.

    Args:
        x: this rank's rows, shape ``(n, ...)``.
        replicated: every rank computes the same from the result.
    """
    if world_size() == 1:
        return x, range(len(x))
    rows, start = _GatherRows.apply(x, replicated)
    return rows, range(start, start + len(x))


class _GatherRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, replicated: bool) -> tuple[Tensor, int]:
        rows, ctx.own = gather_uneven(x)
        ctx.replicated = replicated
        return rows, ctx.own.start

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, _: None) -> tuple[Tensor, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        own = slice(ctx.own.start, ctx.own.stop)
        if ctx.replicated:
            return world_size() * grad[own], None
        grad = grad.clone()
        dist.all_reduce(grad)
        return grad[own], None


def sum_over_ranks(x: Tensor, *, replicated: bool = True) -> Tensor:
    """Sum of a tensor over the ranks, differentiable once.

    Args:
        x: this rank's term.
        replicated: every rank computes the same from the sum.
    """
    return x if world_size() == 1 else _SumOverRanks.apply(x, replicated)  # type: ignore[return-value]


class _SumOverRanks(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, replicated: bool) -> Tensor:
        ctx.replicated = replicated
        total = x.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        if ctx.replicated:
            return world_size() * grad, None
        grad = grad.clone()
        dist.all_reduce(grad)
        return grad, None
