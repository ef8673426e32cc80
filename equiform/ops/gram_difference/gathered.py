"""The moment route over the global batch: (2d)² numbers a chunk travel, and nothing else."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd.function import once_differentiable

from equiform.ops.distributed import world_size
from equiform.ops.gram_difference.moments import (
    diagonal_part,
    from_moments,
    second_moments,
    times_moments,
)
from equiform.ops.gram_difference.signed_permutation import SignedPermutation


class GatheredMoments(torch.autograd.Function):
    """Loss of the chunks of all ranks together, from the rows of this one, ``(c, n, d) -> (c,)``.

    The moments of a union of rows are the sum of their moments, so one all-reduce makes them
    global; the gradient of this rank's rows then needs no further communication. It is world size
    times the derivative: see :mod:`equiform.ops.distributed`.
    """

    @staticmethod
    def forward(
        ctx: Any, a: Tensor, b: Tensor, j: SignedPermutation, exclude_diagonal: bool
    ) -> Tensor:
        """Global loss of each chunk."""
        m = second_moments(a, b)
        dist.all_reduce(m)
        loss, grad_moment = from_moments(m, j)
        grad_a, grad_b = times_moments(a, b, grad_moment.to(a.dtype))
        if exclude_diagonal:
            diagonal, diagonal_a, diagonal_b = diagonal_part(a, b, j)
            dist.all_reduce(diagonal)
            loss = loss - diagonal
            grad_a, grad_b = grad_a - diagonal_a, grad_b - diagonal_b
        ctx.save_for_backward(grad_a, grad_b)
        return loss.clamp_min(0).to(a.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, Tensor, None, None]:
        """World size times the derivative in this rank's rows."""
        grad_a, grad_b = ctx.saved_tensors
        scale = world_size() * g[:, None, None]
        return scale * grad_a, scale * grad_b, None, None
