"""The gauge route: moments of aligned embeddings, right in float32 where float64 is slow."""

from __future__ import annotations

import torch
from torch import Tensor

from equiform.ops.gram_difference.moments import diagonal_part
from equiform.ops.gram_difference.signed_permutation import SignedPermutation


def gauge(
    a: Tensor,
    b: Tensor,
    j: SignedPermutation,
    *,
    exclude_diagonal: bool,
    mask: Tensor | None,
    need_grad: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    r"""Loss and gradients from moments of sum and difference, after a rotation aligns A with B.

    The Gram matrix of A does not change when A becomes A R with R orthogonal. Taking the R of
    Procrustes leaves D = A R - B as small as the loss is, and with S = A R + B

    .. math:: ΔG = \tfrac12 (D S^t + S D^t), \qquad
              L = \tfrac12 [\mathrm{tr}(D^t D\, S^t S) + \mathrm{tr}(D^t S\, D^t S)],

    has no cancellation: :math:`D^t S` is symmetric after Procrustes, so both terms are
    nonnegative. Without the alignment D is of the size of S near convergence too, and nothing is
    gained. The gradients are :math:`4 ΔG A R` turned back by :math:`R^t`, and :math:`-4 ΔG B`.

    Arguments and results are those of :func:`~equiform.ops.gram_difference.gram.gram`.

    Raises:
        ValueError: a mask is given, or the form is not Euclidean, whose group alone has an
            alignment by SVD.
    """
    if mask is not None:
        raise ValueError("backend='gauge' sums over all pairs; use 'gram' with a mask")
    if j.index is not None or j.sign is not None:
        raise ValueError("backend='gauge' needs the Euclidean form; use 'moments' for any other")
    # Aligning need not be exact, since what it leaves is part of D, but R must be orthogonal to the
    # last digit: the d×d factorisation is worth float64.
    u, _, vh = torch.linalg.svd(torch.bmm(a.mT, b).double())
    rotation = (u @ vh).to(a.dtype)
    aligned = torch.bmm(a, rotation)
    d, s = aligned - b, aligned + b
    dd, ss, ds = torch.bmm(d.mT, d), torch.bmm(s.mT, s), torch.bmm(d.mT, s)
    loss = ((dd * ss).sum((-2, -1)) + (ds * ds.mT).sum((-2, -1))) / 2
    grad_a, grad_b = a.new_empty(0), b.new_empty(0)
    if need_grad:
        # 4 ΔG (S ± D)/2 = D (S^t S ± S^t D) + S (D^t S ± D^t D).
        even = torch.bmm(d, ss).baddbmm_(s, ds)
        odd = torch.bmm(d, ds.mT).baddbmm_(s, dd)
        grad_a, grad_b = torch.bmm(even + odd, rotation.mT), odd - even
    if exclude_diagonal:
        diagonal, diagonal_a, diagonal_b = diagonal_part(a, b, j)
        loss = loss - diagonal
        if need_grad:
            grad_a, grad_b = grad_a - diagonal_a, grad_b - diagonal_b
    return loss.clamp_min(0).to(a.dtype), grad_a, grad_b
