"""The Gram route: tiles of the n×n difference, gradient fused into the forward, O(n d) memory."""

from __future__ import annotations

import torch
from torch import Tensor

from equiform.ops.gram_difference.signed_permutation import SignedPermutation

#: Rows of a tile. Its buffer is used again and again, so it stays in cache and page-faults once.
TILE_ROWS = 256
#: Chunks up to this size are computed whole, all in one batched product.
SMALL_CHUNK = 128


def gram(
    a: Tensor,
    b: Tensor,
    j: SignedPermutation,
    *,
    exclude_diagonal: bool,
    mask: Tensor | None,
    need_grad: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    r"""Loss :math:`\sum_{ik} m_{ik} D_{ik}^2` of each chunk and its gradients, by tiles of D.

    With :math:`D = A J A^t - B J B^t` and :math:`D^t = εD`, moving row i of A moves row and column
    i of D, and

    .. math:: \nabla_{a_i} = 2 \sum_k (m_{ik} a_k J^t + ε m_{ki} a_k J) D_{ik}
              = 2ε \sum_k (m_{ik} + m_{ki}) D_{ik}\, a_k J,

    so a symmetrised mask S = (M + M^t)/2 gives the same loss and ∇A = 4ε (S∘D) A J, and -4ε
    (S∘D) B J for B.

    Args:
        a, b: real embeddings, shape ``(c, n, d)``.
        j: the form.
        exclude_diagonal: leave out the pairs i = k.
        mask: pairs to keep, bool or weights, shape ``(n, n)`` or ``(c, n, n)``.
        need_grad: compute the gradients.

    Returns:
        Losses ``(c,)``, and the gradients of their sum, ``(c, n, d)`` each, or ``(0,)`` if not
        needed.
    """
    c, n, _ = a.shape
    aj, bj = j.apply(a), j.apply(b)
    losses = a.new_empty(c, dtype=torch.float64)
    grad_a, grad_b = (torch.empty_like(x) if need_grad else x.new_empty(0) for x in (a, b))
    # Small chunks together in one tile, large ones one by one in many.
    step = n if n <= SMALL_CHUNK else TILE_ROWS
    group = c if n <= SMALL_CHUNK else 1
    buffer = a.new_empty(group, min(step, n), n)
    for chunk in range(0, c, group):
        own = slice(chunk, chunk + group)
        partial = torch.zeros(group, dtype=torch.float64, device=a.device)
        for start in range(0, n, step):
            rows = slice(start, min(start + step, n))
            tile = buffer[:, : rows.stop - start]
            torch.bmm(aj[own, rows], a[own].mT, out=tile)
            tile.baddbmm_(bj[own, rows], b[own].mT, alpha=-1)
            if exclude_diagonal:
                tile.diagonal(start, -2, -1).zero_()
            kept = tile if mask is None else tile * _symmetrised_rows(mask, own, rows, a.dtype)
            partial += torch.linalg.vecdot(tile.flatten(1), kept.flatten(1))
            if need_grad:
                for grad, xj, sign in ((grad_a, aj, 4), (grad_b, bj, -4)):
                    torch.bmm(kept, xj[own], out=grad[own, rows]).mul_(sign * j.symmetry)
        losses[own] = partial
    return losses.to(a.dtype), grad_a, grad_b


def _symmetrised_rows(mask: Tensor, own: slice, rows: slice, dtype: torch.dtype) -> Tensor:
    """Rows of (M + M^t)/2 for some of the chunks."""
    mask = mask[own] if mask.ndim == 3 else mask
    return (mask[..., rows, :].to(dtype) + mask[..., rows].mT.to(dtype)) / 2
