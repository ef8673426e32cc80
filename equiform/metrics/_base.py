"""A metric of embedding pairs, averaged over transformations."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric


class PairMetric(Metric):
    """Accumulates a value from embeddings before and after one transformation an update.

    Each ``update(source, target)`` takes all points that share one transformation, since what is
    measured is whether *one* matrix explains them. ``compute`` averages over the updates.
    """

    full_state_update = False
    total: Tensor
    weight: Tensor

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.add_state("total", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("weight", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")

    def measure(self, source: Tensor, target: Tensor) -> tuple[Tensor, Tensor | float]:
        """The value of one transformation times its weight, and that weight."""
        raise NotImplementedError

    def update(self, source: Tensor, target: Tensor) -> None:
        """Take the embeddings f(x) and f(a x) of one transformation a, each ``(n, d)``."""
        if source.shape != target.shape or source.ndim != 2:
            raise ValueError(
                f"{type(self).__name__} needs source and target of one shape (n, d), "
                f"got {tuple(source.shape)} and {tuple(target.shape)}"
            )
        value, weight = self.measure(source.detach(), target.detach())
        self.total += value
        self.weight += weight

    def compute(self) -> Tensor:
        """The weighted mean over all updates; 0 where the total weight is 0."""
        return torch.where(self.weight > 0, self.total / self.weight.clamp_min(1e-300), 0).float()
