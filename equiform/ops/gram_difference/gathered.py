"""The moment route over the global batch: (2d)² numbers a chunk travel, and nothing else."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from equiform.forms.signed_permutation import SignedPermutation
from equiform.ops.collectives import all_reduce, world_size
from equiform.ops.gram_difference.moments import moments
from equiform.ops.gram_difference.problem import Problem
from equiform.ops.overflow import infinite_overflow


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
        loss, *grads = moments(Problem(a, b, j, None, exclude_diagonal), all_reduce)
        ctx.save_for_backward(*grads)
        # The loss is one and the same on all ranks, so that all of them take this turn.
        if loss.is_cuda or loss.isnan().any():
            own = infinite_overflow(torch.full_like(loss, torch.nan), a, b)
            loss = torch.where(loss.isnan(), all_reduce(own), loss)
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, Tensor, None, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """World size times the derivative in this rank's rows."""
        grad_a, grad_b = ctx.saved_tensors
        scale = world_size() * g[:, None, None]
        return scale * grad_a, scale * grad_b, None, None
