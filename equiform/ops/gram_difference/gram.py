"""The Gram route: tiles of the n×n difference, gradient fused into the forward, O(n d) memory."""

from __future__ import annotations

import torch

from equiform.ops.gram_difference.problem import Problem, Solution

#: Rows of a tile. Its buffer is used again and again, so it stays in cache and page-faults once.
TILE_ROWS = 256
#: Chunks up to this size are computed whole, all in one batched product.
SMALL_CHUNK = 128


def gram(problem: Problem) -> Solution:
    r"""Loss :math:`\sum_{ik} m_{ik} D_{ik}^2` of each chunk and its gradients, by tiles of D.

    With :math:`D = A J A^t - B J B^t` and :math:`D^t = εD`, moving row i of A moves row and column
    i of D, and

    .. math:: \nabla_{a_i} = 2 \sum_k (m_{ik} a_k J^t + ε m_{ki} a_k J) D_{ik}
              = 2ε \sum_k (m_{ik} + m_{ki}) D_{ik}\, a_k J,

    so a symmetrised mask S = (M + M^t)/2 gives the same loss and ∇A = 4ε (S∘D) A J, and -4ε
    (S∘D) B J for B.
    """
    a, b, j, mask, exclude_diagonal, need_grad = problem
    if a.shape[-2] > SMALL_CHUNK:
        return _tiled(problem)
    # All chunks at once, each with its whole D: calls are what small chunks cost.
    aj, bj = (a, b) if j[:2] == (None, None) else (j.apply(a), j.apply(b))
    difference = torch.bmm(aj, a.mT).baddbmm_(bj, b.mT, alpha=-1)
    if exclude_diagonal:
        difference.diagonal(0, -2, -1).zero_()
    kept = difference if mask is None else difference * (mask.to(a.dtype) + mask.mT) / 2
    losses = torch.linalg.vecdot(difference.flatten(1), kept.flatten(1))
    if not need_grad:
        return losses, a.new_empty(0), b.new_empty(0)
    # With beta=0 the first argument lends its shape only: the product and its scale in one call.
    scale = 4 * j.symmetry
    grad_a = torch.baddbmm(a, kept, aj, beta=0, alpha=scale)
    return losses, grad_a, torch.baddbmm(b, kept, bj, beta=0, alpha=-scale)


def _tiled(problem: Problem) -> Solution:
    """One chunk after the other, TILE_ROWS rows of D at a time."""
    a, b, j, mask, exclude_diagonal, need_grad = problem
    n = a.shape[-2]
    scale = 4 * j.symmetry
    losses = a.new_zeros(len(a), dtype=torch.float64)
    grad_a, grad_b = (torch.empty_like(x) if need_grad else x.new_empty(0) for x in (a, b))
    buffer = a.new_empty(TILE_ROWS, n)
    for chunk, (x, y) in enumerate(zip(a, b, strict=True)):
        xj, yj = j.apply(x), j.apply(y)
        for start in range(0, n, TILE_ROWS):
            rows = slice(start, min(start + TILE_ROWS, n))
            tile = buffer[: rows.stop - start]
            torch.mm(xj[rows], x.mT, out=tile).addmm_(yj[rows], y.mT, alpha=-1)
            if exclude_diagonal:
                tile.diagonal(start).zero_()
            kept = tile
            if mask is not None:
                own = mask[chunk] if mask.ndim == 3 else mask
                kept = tile * (own[rows].to(a.dtype) + own[:, rows].mT) / 2
            losses[chunk] += torch.linalg.vecdot(tile.flatten(), kept.flatten(), dim=0)
            if need_grad:
                torch.mm(kept, xj, out=grad_a[chunk, rows]).mul_(scale)
                torch.mm(kept, yj, out=grad_b[chunk, rows]).mul_(-scale)
    return losses.to(a.dtype), grad_a, grad_b
