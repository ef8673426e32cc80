"""The log-partition op over the rows of all ranks, each rank computing its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from equiform.ops.distributed import gather_uneven, world_size
from equiform.ops.info_nce.routes import route
from equiform.ops.overflow import infinite_overflow


class GatheredLogPartition(torch.autograd.Function):
    """Log-partitions of the rows of all ranks from the rows of this one, ``(n, d) -> (m,)``.

    Two gathers in the forward pass, of rows and of log-partitions. The backward pass needs every
    rank to compute the same from the result: the weights of all rows are then at hand on each,
    and its own rows' gradient is a sum over columns that it holds already. Times world size: see
    :mod:`equiform.ops.distributed`.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, group: int, backend: str, sizes: Sequence[int]) -> Tensor:
        """The op on this rank's rows against the rows of all, of which ranks have these sizes."""
        rows, ctx.own = gather_uneven(x, sizes)
        op = route(backend, rows)
        own = op.log_partition(rows, group, ctx.own) if ctx.own else rows.new_empty(0)
        partition, _ = gather_uneven(own, sizes)
        if partition.is_cuda or partition.isnan().any():
            partition = infinite_overflow(partition, rows)
        ctx.group, ctx.backend = group, backend
        ctx.save_for_backward(rows, partition)
        return partition

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, weight: Tensor) -> tuple[Tensor, None, None, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """World size times the derivative in this rank's rows."""
        rows, partition = ctx.saved_tensors
        if not ctx.own:
            return rows.new_empty(0, rows.shape[1]), None, None, None
        gradient = route(ctx.backend, rows).gradient(
            rows, partition, weight.contiguous(), ctx.group, ctx.own
        )
        return world_size() * gradient, None, None, None
