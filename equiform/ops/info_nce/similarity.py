"""The log-partition op for any similarity: row tiles under checkpointing, the rest by autograd."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from equiform.ops.info_nce.reference import of_logits
from equiform.ops.info_nce.tiled import tiles
from equiform.ops.recompute import recomputed

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

    parts = tiles(rows, len(x), group) if tiled else []
    if len(parts) < 2:
        # Without rows there is no tile, but a graph: its backward pass meets that of other ranks.
        return of_tile(x, slice(rows.start, rows.stop))
    return torch.cat([recomputed(of_tile, x, i) for i in parts])
