"""A queue of embeddings: the negatives of momentum contrast."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from equiform.nn._arguments import check_counts, check_rows


class EmbeddingQueue(nn.Module):
    """The last embeddings that went in, first in, first out: negatives for momentum contrast.

    It begins empty instead of filled with random vectors, which would lie on no other manifold than
    the sphere. Its buffers are in checkpoints.

    Args:
        dim, size: d, of an embedding, and how many it holds.

    Source: He et al., CVPR 2020, algorithm 1; there the size must be a multiple of the batch, here
    it need not.
    """

    rows: Tensor
    num_seen: Tensor

    def __init__(self, dim: int, size: int) -> None:
        super().__init__()
        check_counts(dim=dim, size=size)
        self.register_buffer("rows", torch.zeros(size, dim))
        self.register_buffer("num_seen", torch.zeros((), dtype=torch.long))

    def embeddings(self) -> Tensor:
        """All that it holds, ``(m, d)`` with m up to the size, in no particular order.

        It is a copy, so that a loss may be differentiated after the next :meth:`enqueue`.
        """
        return self.rows[: int(self.num_seen)].clone()

    @torch.no_grad()
    def enqueue(self, embeddings: Tensor) -> None:
        """Put embeddings ``(n, d)`` in, in place of the oldest.

        In distributed training give those of all ranks, as
        ``equiform.ops.distributed.gather_uneven`` does, so that all queues are one.

        Raises:
            ValueError: one is not finite, or too large for the dtype of the queue. None is then
                taken: each would be a negative of every query until `size` others came.
        """
        size, dim = self.rows.shape
        check_rows("embeddings", embeddings, dim)
        if embeddings.device != self.rows.device:
            where = f"on {self.rows.device}, as the queue is, got {embeddings.device}"
            raise ValueError(f"embeddings must be {where}; use queue.to(...)")
        embeddings = embeddings.to(self.rows.dtype)
        if not embeddings.isfinite().all():
            given = f"got NaN or infinity in {tuple(embeddings.shape)}"
            raise ValueError(f"embeddings must be finite in {self.rows.dtype}, {given}")
        place = self.num_seen + torch.arange(len(embeddings), device=self.rows.device)
        # Of more than fit only the last may be written: no place twice, for which no order holds.
        self.rows[place[-size:] % size] = embeddings[-size:]
        self.num_seen += len(embeddings)

    def extra_repr(self) -> str:
        """The shape, for ``print(queue)``."""
        return f"dim={self.rows.shape[1]}, size={self.rows.shape[0]}"
