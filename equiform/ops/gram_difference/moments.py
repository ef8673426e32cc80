"""The moment route: (2d)² numbers carry everything, so memory and time are linear in n."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor

from equiform.ops.gram_difference.signed_permutation import SignedPermutation

#: Rows that are widened to float64 at a time.
BLOCK_ROWS = 2048


def moments(
    a: Tensor,
    b: Tensor,
    j: SignedPermutation,
    *,
    exclude_diagonal: bool,
    mask: Tensor | None,
    need_grad: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    r"""Loss and gradients from second moments, accumulated in float64.

    With Z = [A, B], K = diag(J, -J) and M = Z^t Z the difference is D = Z K Z^t, hence

    .. math:: L = \mathrm{tr}(K M K^t M), \qquad \nabla Z = 4 Z K^t M K.

    Near convergence L is a difference of numbers 1e8 times as large: float32 moments would have no
    digit right there, float64 moments have ten more. The gradient's product with Z is taken in the
    dtype of Z.

    Arguments and results are those of :func:`~equiform.ops.gram_difference.gram.gram`.

    Raises:
        ValueError: a mask is given; moments see all pairs.
    """
    if mask is not None:
        raise ValueError("backend='moments' sums over all pairs; use 'gram' with a mask")
    m = second_moments(a, b)
    loss, grad_moment = from_moments(m, j)
    grad_a, grad_b = a.new_empty(0), b.new_empty(0)
    if need_grad:
        grad_a, grad_b = times_moments(a, b, grad_moment.to(a.dtype))
    if exclude_diagonal:
        diagonal, diagonal_a, diagonal_b = diagonal_part(a, b, j)
        loss = loss - diagonal
        if need_grad:
            grad_a, grad_b = grad_a.sub_(diagonal_a), grad_b.sub_(diagonal_b)
    # What is left of a perfect match is rounding, of either sign.
    return loss.clamp_min(0).to(a.dtype), grad_a, grad_b


def second_moments(a: Tensor, b: Tensor) -> Tensor:
    """M = [A, B]^t [A, B] in float64, ``(c, n, d), (c, n, d) -> (c, 2d, 2d)``."""
    c, n, d = a.shape
    m = a.new_zeros(c, 2 * d, 2 * d, dtype=torch.float64)
    # Of the symmetric M the blocks above the diagonal, each half of A^t A and B^t B on its own.
    cuts = [0, d // 2, d, d + d // 2, 2 * d]
    for start in range(0, n, BLOCK_ROWS):
        rows = slice(start, start + BLOCK_ROWS)
        z = torch.cat([a[:, rows], b[:, rows]], dim=-1).double()
        for low, high in itertools.pairwise(cuts):
            m[:, low:high, low:].baddbmm_(z[..., low:high].mT, z[..., low:])
    for low, high in itertools.pairwise(cuts):
        m[:, high:, low:high] = m[:, low:high, high:].mT
    return m


def from_moments(m: Tensor, j: SignedPermutation) -> tuple[Tensor, Tensor]:
    r"""Loss ``(c,)`` and the matrix :math:`4 K^t M K`, ``(c, 2d, 2d)``, in float64."""
    d = m.shape[-1] // 2
    # K M K^t: J on both sides, with a minus sign for the off-diagonal blocks.
    halves = torch.cat([j.apply(m[..., :d]), -j.apply(m[..., d:])], dim=-1)
    rows = halves.mT
    kmk = torch.cat([j.apply(rows[..., :d]), -j.apply(rows[..., d:])], dim=-1).mT
    # Both M and K M K^t are symmetric, and K^t M K = K M K^t because K^t = ε K.
    return (kmk * m).sum((-2, -1)), 4 * kmk


def times_moments(a: Tensor, b: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
    """Both halves of [A, B] g, ``(c, n, d)`` each, for g of shape ``(c, 2d, 2d)``."""
    d = a.shape[-1]
    grad_a, grad_b = torch.empty_like(a), torch.empty_like(b)
    for grad, half in ((grad_a, g[..., :d]), (grad_b, g[..., d:])):
        torch.bmm(a, half[:, :d], out=grad).baddbmm_(b, half[:, d:])
    return grad_a, grad_b


def diagonal_part(a: Tensor, b: Tensor, j: SignedPermutation) -> tuple[Tensor, Tensor, Tensor]:
    """What the pairs i = i add to the loss, ``(c,)`` in float64, and to the gradients."""
    aj, bj = j.apply(a), j.apply(b)
    # The two inner products agree near convergence, so they are compared in float64.
    difference = (a.double() * aj).sum(-1) - (b.double() * bj).sum(-1)
    # ∇ D_ii² = 2 D_ii (1 + ε) a_i J.
    weight = (2 * (1 + j.symmetry) * difference).to(a.dtype)[..., None]
    return difference.square().sum(-1), weight * aj, -weight * bj
