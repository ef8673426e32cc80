"""Metrics of embeddings, averaged over transformations."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric


class TransformationMetric(Metric):
    """The mean over updates of a value that one transformation has.

    Each update takes all points that share one transformation, since what is measured is whether
    *one* matrix explains them. All states are sums over updates, and so over processes.
    """

    full_state_update = False
    total: Tensor
    weight: Tensor

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._add_sum("total")
        self._add_sum("weight")

    def compute(self) -> Tensor:
        """The weighted mean over all updates; 0 where the total weight is 0."""
        return self._mean(self.total)

    def _add_sum(self, name: str, *shape: int) -> None:
        self.add_state(name, torch.zeros(shape, dtype=torch.float64), dist_reduce_fx="sum")

    def _mean(self, total: Tensor) -> Tensor:
        return torch.where(self.weight > 0, total / self.weight.clamp_min(1e-300), 0).float()

    def _checked(self, **sets: Tensor) -> list[Tensor]:
        """The embeddings, detached, where all are of one shape (n, d)."""
        shapes = [x.shape for x in sets.values()]
        if len(set(shapes)) > 1 or len(shapes[0]) != 2:
            raise ValueError(
                f"{type(self).__name__} needs {' and '.join(sets)} of one shape (n, d), "
                f"got {' and '.join(str(tuple(shape)) for shape in shapes)}"
            )
        return [x.detach() for x in sets.values()]


class PairMetric(TransformationMetric):
    """Accumulates a value from embeddings before and after one transformation an update."""

    def measure(self, source: Tensor, target: Tensor) -> tuple[Tensor, Tensor | float]:
        """The value of one transformation times its weight, and that weight."""
        raise NotImplementedError

    def update(self, source: Tensor, target: Tensor) -> None:
        """Take the embeddings f(x) and f(a x) of one transformation a, each ``(n, d)``."""
        source, target = self._checked(source=source, target=target)
        value, weight = self.measure(source, target)
        self.total += value
        self.weight += weight
