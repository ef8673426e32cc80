"""The moment route: (2d)² numbers carry everything, so memory and time are linear in n."""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Callable

import torch
from torch import Tensor

from equiform.ops._triton import triton_runs
from equiform.ops.gram_difference.problem import Problem, Solution

#: Rows that are widened to float64 at a time: what stays in the cache of a CPU. A GPU wants few
#: large products, of no more numbers than these.
BLOCK_ROWS, BLOCK_NUMBERS = 2048, 2**24
#: Largest d for which the split-K kernel beats BLAS on a GPU.
KERNEL_WIDEST = 128


def moments(problem: Problem, total: Callable[[Tensor], Tensor] | None = None) -> Solution:
    r"""Loss and gradients from second moments, accumulated in float64.

    With Z = [A, B], K = diag(J, -J) and M = Z^t Z the difference is D = Z K Z^t, hence

    .. math:: L = \mathrm{tr}(K M K^t M), \qquad \nabla Z = 4 Z K^t M K.

    Near convergence L is a difference of numbers 1e8 times as large: float32 moments would have no
    digit right there, float64 moments have ten more. The gradient's product with Z is taken in the
    dtype of Z.

    Args:
        problem: without a mask; moments see all pairs.
        total: sums over the ranks that share the chunks; L is then that of all their rows.
    """
    a, b, j, mask, _, need_grad = problem
    if mask is not None:
        raise ValueError("backend='moments' sums over all pairs; use 'gram' with a mask")
    m, d = second_moments(a, b), a.shape[-1]
    m = m if total is None else total(m)
    # K M K^t: J on both sides, with a minus sign for the off-diagonal blocks.
    kmk = m
    for _ in range(2):
        kmk = torch.cat([j.apply(kmk[..., :d]), -j.apply(kmk[..., d:])], dim=-1).mT
    # Both M and K M K^t are symmetric, and K^t M K = K M K^t because K^t = ε K.
    loss = (kmk * m).sum((-2, -1))
    grad_a, grad_b = (torch.empty_like(x) if need_grad else x.new_empty(0) for x in (a, b))
    if need_grad:
        g = (4 * kmk).to(a.dtype)
        for grad, half in ((grad_a, g[..., :d]), (grad_b, g[..., d:])):
            torch.bmm(a, half[:, :d], out=grad).baddbmm_(b, half[:, d:])
    return less_diagonal(problem, loss, grad_a, grad_b, total)


def second_moments(a: Tensor, b: Tensor) -> Tensor:
    """M = [A, B]^t [A, B] in float64, ``(c, n, d), (c, n, d) -> (c, 2d, 2d)``."""
    if a.shape[-1] <= KERNEL_WIDEST and triton_runs(a.device):
        kernel = importlib.import_module("equiform.ops.gram_difference.triton.moments")
        return kernel.moments(a, b)
    return blocked_moments(a, b)


def blocked_moments(a: Tensor, b: Tensor) -> Tensor:
    """:func:`second_moments` by BLAS."""
    c, n, d = a.shape
    m = a.new_zeros(c, 2 * d, 2 * d, dtype=torch.float64)
    step = BLOCK_ROWS
    if a.is_cuda:
        step = max(step, BLOCK_NUMBERS // (2 * c * d))
    # Of the symmetric M the blocks above the diagonal, each half of A^t A and B^t B on its own.
    cuts = [0, d // 2, d, d + d // 2, 2 * d]
    for start in range(0, n, step):
        rows = slice(start, start + step)
        z = torch.cat([a[:, rows], b[:, rows]], dim=-1).double()
        for low, high in itertools.pairwise(cuts):
            m[:, low:high, low:].baddbmm_(z[..., low:high].mT, z[..., low:])
    for low, high in itertools.pairwise(cuts):
        m[:, high:, low:high] = m[:, low:high, high:].mT
    return m


def less_diagonal(
    problem: Problem,
    loss: Tensor,
    grad_a: Tensor,
    grad_b: Tensor,
    total: Callable[[Tensor], Tensor] | None = None,
) -> Solution:
    """A solution over all pairs without the pairs i = i, where the problem excludes them."""
    a, b, j, _, exclude_diagonal, need_grad = problem
    if exclude_diagonal:
        aj, bj = j.apply(a), j.apply(b)
        # The two inner products agree near convergence, so they are compared in float64.
        difference = (a.double() * aj).sum(-1) - (b.double() * bj).sum(-1)
        own = difference.square().sum(-1)
        loss = loss - (own if total is None else total(own))
        if need_grad:
            # ∇ D_ii² = 2 D_ii (1 + ε) a_i J.
            weight = (2 * (1 + j.symmetry) * difference).to(a.dtype)[..., None]
            grad_a, grad_b = grad_a - weight * aj, grad_b + weight * bj
    # What is left of a perfect match is rounding, of either sign.
    return loss.clamp_min(0).to(a.dtype), grad_a, grad_b
