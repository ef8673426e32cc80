r"""Collectives of a loss over the global batch, and the convention of their gradients.

Every rank returns the global loss L. :class:`torch.nn.parallel.DistributedDataParallel` averages
the parameter gradients of W ranks, so each rank's must be W times its share of the true one:

.. math:: \frac1W \sum_r W \frac{\partial L}{\partial z_r} \frac{\partial z_r}{\partial θ}
          = \frac{\partial L}{\partial θ}.

That is the derivative of the sum of what all ranks return, W L, hence what the adjoint of a
collective gives: :func:`gather_rows` sums the gradients of all ranks in its backward pass. Where
every rank does the same with the result, all W terms are one and the same, and the sum is W times
the own one: ``replicated=True`` promises it, and the backward pass then communicates nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd.function import once_differentiable

from equiform.ops.agreement import Agreement, rows_of_ranks, together, unagreed
from equiform.ops.collectives import all_gather, all_reduce, world_size

__all__ = [
    "gather_rows",
    "gather_uneven",
    "rows_of_ranks",
    "sum_over_ranks",
    "together",
    "unagreed",
    "world_size",
]


def gather_uneven(x: Tensor, sizes: Sequence[int] | None = None) -> tuple[Tensor, range]:
    """Rows of all ranks in order of rank; ranks may hold different numbers of rows, even none.

    Not differentiable. The sizes are read back to the host: on a GPU that waits for the device.

    Args:
        x: this rank's rows, shape ``(n, ...)``.
        sizes: how many each rank has; they are asked for unless given.

    Returns:
        The rows of all ranks, and which of them are this rank's.

    Raises:
        ValueError: on all ranks, where trailing sizes or dtypes differ.
    """
    if world_size() == 1:
        return x, range(len(x))
    if sizes is None:
        sizes = Agreement("gather_uneven", {"x": x.detach()}).meet(len(x))
    # Backends take equal sizes only, so that shards travel padded to the longest.
    padded = x.new_zeros(max(sizes), *x.shape[1:])
    padded[: len(x)] = x
    shards = all_gather(padded)
    start = sum(sizes[: dist.get_rank()])
    rows = torch.cat([shard[:size] for shard, size in zip(shards, sizes, strict=True)])
    return rows, range(start, start + len(x))


def gather_rows(
    x: Tensor, sizes: Sequence[int] | None = None, *, replicated: bool = False
) -> tuple[Tensor, range]:
    """:func:`gather_uneven`, differentiable once.

    Args:
        x: this rank's rows, shape ``(n, ...)``.
        sizes: how many each rank has; they are asked for unless given.
        replicated: every rank computes the same from the result.
    """
    if world_size() == 1:
        return x, range(len(x))
    rows, start = _GatherRows.apply(x, sizes, replicated)
    return rows, range(start, start + len(x))


class _GatherRows(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, sizes: Sequence[int] | None, replicated: bool
    ) -> tuple[Tensor, int]:
        rows, ctx.own = gather_uneven(x, sizes)
        ctx.replicated = replicated
        return rows, ctx.own.start

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, _: None) -> tuple[Tensor, None, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        own = slice(ctx.own.start, ctx.own.stop)
        if ctx.replicated:
            return world_size() * grad[own], None, None
        return all_reduce(grad.clone())[own], None, None


def sum_over_ranks(x: Tensor, *, replicated: bool = True) -> Tensor:
    """Sum of a tensor over the ranks, all of one shape and dtype, differentiable once.

    Args:
        x: this rank's term.
        replicated: every rank computes the same from the sum.
    """
    return x if world_size() == 1 else _SumOverRanks.apply(x, replicated)  # type: ignore[return-value]


class _SumOverRanks(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, replicated: bool) -> Tensor:
        ctx.replicated = replicated
        return all_reduce(x.clone())

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        if ctx.replicated:
            return world_size() * grad, None
        return all_reduce(grad.clone()), None
