"""Classification by nearest neighbours, as a metric of an encoder."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from equiform.functional.knn import knn_hits


class KNNAccuracy(Metric):
    """Top-1 accuracy of weighted kNN classification; see :func:`equiform.functional.knn_accuracy`.

    Updates take the test embeddings, and may be of any size. Every process holds all embeddings of
    known label, and may see a part of the test set.

    Args:
        features: embeddings of known label, shape ``(m, d)``.
        labels: their classes, int64 from 0, shape ``(m,)``.
        k: how many neighbours vote, at most m.
        temperature: τ, positive.
        kwargs: of :class:`torchmetrics.Metric`.
    """

    full_state_update = False
    is_differentiable = False
    higher_is_better = True
    features: Tensor
    labels: Tensor
    correct: Tensor
    total: Tensor

    def __init__(
        self,
        features: Tensor,
        labels: Tensor,
        k: int = 200,
        temperature: float = 0.1,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.k = k
        self.temperature = temperature
        self.register_buffer("features", features.detach(), persistent=False)
        self.register_buffer("labels", labels, persistent=False)
        self.add_state("correct", torch.zeros((), dtype=torch.long), dist_reduce_fx="sum")
        self.add_state("total", torch.zeros((), dtype=torch.long), dist_reduce_fx="sum")

    def update(self, features: Tensor, labels: Tensor) -> None:
        """Take test embeddings ``(n, d)`` and their classes ``(n,)``."""
        hits = knn_hits(self.features, self.labels, features, labels, self.k, self.temperature)
        self.correct += hits.sum()
        self.total += len(hits)

    def compute(self) -> Tensor:
        """The accuracy over all updates; 0 before the first."""
        return self.correct / self.total.clamp_min(1)
