"""Momentum contrast: an encoder that follows another slowly, and a queue of its embeddings."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from equiform._options import check_number
from equiform.nn._arguments import check_counts, check_rows


class MomentumEncoder(nn.Module):
    r"""A copy of an encoder that follows it, :math:`θ_k \leftarrow m θ_k + (1 - m) θ`.

    Buffers, such as the running statistics of batch norms, are copied as they are. No gradient
    flows through it.

    Args:
        module: the encoder to begin with; it is copied, and not kept.
        momentum: m, in [0, 1]; 0.99 is usual. The attribute may be changed between updates.

    Source: He et al., "Momentum Contrast for Unsupervised Visual Representation Learning", CVPR
    2020, eq. 2.
    """

    def __init__(self, module: nn.Module, momentum: float = 0.99) -> None:
        super().__init__()
        _check_module(module)
        self.momentum = check_number("momentum", momentum)
        if momentum > 1:
            raise ValueError(f"momentum must be in [0, 1], got {momentum}")
        self.module = copy.deepcopy(module).requires_grad_(False)

    @torch.no_grad()
    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the copy makes of its arguments."""
        return self.module(*args, **kwargs)

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        """Move a step towards the encoder; call it once after each step of the optimizer.

        Args:
            module: the encoder that this one was made from, or a wrapper of it.
        """
        _check_module(module)
        own, other = ([*m.parameters(), *m.buffers()] for m in (self.module, module))
        if [x.shape for x in own] != [x.shape for x in other]:
            raise ValueError(
                f"update needs the encoder that this {type(self).__name__} was made from, got a "
                f"{type(module).__name__} whose parameters or buffers have other shapes"
            )
        for x, target in zip(self.module.parameters(), module.parameters(), strict=True):
            x.lerp_(target.to(x), 1 - self.momentum)
        for x, target in zip(self.module.buffers(), module.buffers(), strict=True):
            x.copy_(target)

    def extra_repr(self) -> str:
        """The momentum, for ``print(encoder)``."""
        return f"momentum={self.momentum}"


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
        """
        size, dim = self.rows.shape
        check_rows("embeddings", embeddings, dim)
        place = self.num_seen + torch.arange(len(embeddings), device=self.rows.device)
        # Of more than fit only the last may be written: no place twice, for which no order holds.
        self.rows[place[-size:] % size] = embeddings[-size:].to(self.rows.dtype)
        self.num_seen += len(embeddings)

    def extra_repr(self) -> str:
        """The shape, for ``print(queue)``."""
        return f"dim={self.rows.shape[1]}, size={self.rows.shape[0]}"


def _check_module(module: object) -> None:
    if not isinstance(module, nn.Module):
        raise TypeError(f"module must be a module such as nn.Linear(3, 2), got {module!r}")
