"""The Gram difference after a link function, by autograd: tiles under checkpointing."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from equiform.ops.distributed import gather_rows, rows_of_ranks, together, unagreed, world_size
from equiform.ops.recompute import recomputed

#: Entries of all chunks together in a tile.
TILE = 2**20


def linked_difference(
    a: Tensor,
    b: Tensor,
    link: Callable[[Tensor, Tensor], Tensor],
    *,
    exclude_diagonal: bool = False,
    backend: str = "auto",
    gather_distributed: bool = False,
) -> Tensor:
    r"""Sum over pairs of :math:`|φ(a_i, a_j) - φ(b_i, b_j)|^2`, chunk by chunk.

    Args:
        a, b: embeddings before and after the transformation, shape ``(c, n, d)``.
        link: φ, symmetric and differentiable, ``(c, r, d), (c, n, d) -> (c, r, n)``.
        exclude_diagonal: leave out the pairs i = j.
        backend: ``"reference"`` holds all n×n values at once; else those of one tile of rows, and
            they are computed again in the backward pass.
        gather_distributed: over the rows of all ranks, each of which computes them all.

    Returns:
        Shape ``(c,)``. Differentiable as often as the link is, once where rows are gathered.
    """
    if gather_distributed is True and unagreed():
        return together(linked_difference, **locals())
    if a.shape != b.shape:
        raise ValueError(
            f"views must have one shape (n, d), got {tuple(a.shape)} and {tuple(b.shape)}"
        )
    if gather_distributed and world_size() > 1:
        sizes = rows_of_ranks(a.shape[-2])
        a, b = (
            gather_rows(z.movedim(-2, 0), sizes, replicated=True)[0].movedim(0, -2) for z in (a, b)
        )
    c, n, _ = a.shape
    step = n if backend == "reference" else max(1, TILE // (c * n))

    def of_rows(a: Tensor, b: Tensor, start: int) -> Tensor:
        rows = slice(start, start + step)
        squared = (link(a[:, rows], a) - link(b[:, rows], b)).square()
        if exclude_diagonal:
            squared.diagonal(start, -2, -1).zero_()
        return squared.sum((-2, -1))

    if step >= n:
        return of_rows(a, b, 0)
    tiles = [recomputed(of_rows, a, b, start) for start in range(0, n, step)]
    return torch.stack(tiles).sum(0)
