"""The gauge route: moments of aligned embeddings, right in float32 where float64 is slow."""

from __future__ import annotations

import torch

from equiform.ops.gram_difference.moments import less_diagonal
from equiform.ops.gram_difference.problem import Problem, Solution


def gauge(problem: Problem) -> Solution:
    r"""Loss and gradients from moments of sum and difference, after a rotation aligns A with B.

    The Gram matrix of A does not change when A becomes A R with R orthogonal. Taking the R of
    Procrustes leaves D = A R - B as small as the loss is, and with S = A R + B

    .. math:: ΔG = \tfrac12 (D S^t + S D^t), \qquad
              L = \tfrac12 [\mathrm{tr}(D^t D\, S^t S) + \mathrm{tr}(D^t S\, D^t S)],

    has no cancellation: :math:`D^t S` is symmetric after Procrustes, so both terms are
    nonnegative. Without the alignment D is of the size of S near convergence too, and nothing is
    gained. The gradients are :math:`4 ΔG A R` turned back by :math:`R^t`, and :math:`-4 ΔG B`.
    """
    a, b, j, mask, _, need_grad = problem
    if mask is not None:
        raise ValueError("backend='gauge' sums over all pairs; use 'gram' with a mask")
    if j.index is not None or j.sign is not None:
        raise ValueError("backend='gauge' needs the Euclidean form; use 'moments' for any other")
    # Aligning need not be exact, since what it leaves is part of D, but R must be orthogonal to the
    # last digit: the d×d factorisation is worth float64, and a step of Newton's, since the Jacobi
    # sweeps that a GPU factorises with stop some digits earlier.
    # Of NaN there is none, nor is one needed: the embeddings bring it back.
    cross = torch.bmm(a.mT, b).double()
    finite = cross.isfinite().all(-1).all(-1)[:, None, None]
    u, _, vh = torch.linalg.svd(cross.where(finite, 0))
    rotation = u @ vh
    rotation = (1.5 * rotation - 0.5 * rotation @ (rotation.mT @ rotation)).to(a.dtype)
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
    return less_diagonal(problem, loss, grad_a, grad_b)
