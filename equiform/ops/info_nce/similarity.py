"""The log-partition op for any similarity: row tiles under checkpointing, the rest by autograd."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from equiform.ops.info_nce.reference import of_logits
from equiform.ops.info_nce.tiled import tiles

#: Logits of all pairs, ``(r, d), (m, d) -> (r, m)``.
Similarity = Callable[[Tensor, Tensor], Tensor]


def log_partition(
    similarity: Similarity, x: Tensor, *, group: int, rows: range, tiled: bool = True
) -> Tensor:
    """Log-partition of some rows of x among all, ``(m, d) -> (len(rows),)``.

    A tile's logits are computed again in the backward pass, so that only one tile's are held.
    Parameters of the similarity get their gradients too.
    """

    def of_tile(x: Tensor, i: slice) -> Tensor:
        return of_logits(similarity(x[i], x), group=group, start=i.start)

    if not tiled:
        return of_tile(x, slice(rows.start, rows.stop))
    parts = [
        checkpoint(of_tile, x, i, use_reentrant=False, preserve_rng_state=False)
        for i in tiles(rows, len(x), group)
    ]
    return torch.cat(parts)
