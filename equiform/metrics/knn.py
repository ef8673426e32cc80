"""Classification by nearest neighbours, as a metric of an encoder."""

from typing import Any

from torch import Tensor

from equiform._options import check_number
from equiform.functional._labels import check_labels
from equiform.functional.knn import check_k, knn_hits
from equiform.metrics._base import EmbeddingMetric


class KNNAccuracy(EmbeddingMetric):
    """Top-1 accuracy of weighted kNN classification; see :func:`equiform.functional.knn_accuracy`.

    Updates take the test embeddings, and may be of any size. Every process holds all embeddings of
    known label, and may see a part of the test set.

    Args:
        features, labels, k, temperature: as in that function.
        kwargs: of :class:`torchmetrics.Metric`.
    """

    higher_is_better = True
    plot_lower_bound = 0.0
    plot_upper_bound = 1.0
    features: Tensor
    labels: Tensor

    def __init__(
        self,
        features: Tensor,
        labels: Tensor,
        k: int = 200,
        temperature: float = 0.1,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.temperature = check_number("temperature", temperature, positive=True)
        check_labels("kNN", features, labels)
        check_k(k, features)
        self.k = k
        self.register_buffer("features", features.detach(), persistent=False)
        self.register_buffer("labels", labels, persistent=False)

    def update(self, features: Tensor, labels: Tensor) -> None:
        """Take test embeddings ``(n, d)`` and their classes ``(n,)``."""
        hits = knn_hits(self.features, self.labels, features, labels, self.k, self.temperature)
        self._see(self.features, features)
        self._count(hits.sum(), len(hits))
