"""How far embeddings are from collapse."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from equiform import functional
from equiform.functional import SupportsSimilarity
from equiform.metrics._base import PairMetric


class EffectiveRank(PairMetric):
    """Effective number of directions that f(x) uses; 1 says that the encoder has collapsed.

    See :func:`equiform.functional.effective_rank`.
    """

    higher_is_better = True

    def measure(self, source: Tensor, target: Tensor) -> tuple[Tensor, float]:
        """Effective rank of the embeddings before the transformation."""
        return functional.effective_rank(source), 1.0


class Uniformity(PairMetric):
    """Uniformity of both sets of embeddings; its maximum 1/τ says that they coincide.

    See :func:`equiform.functional.uniformity`.

    Args:
        temperature: τ.
        manifold: scores the pairs; inner products unless given.
        kwargs: of :class:`torchmetrics.Metric`.
    """

    higher_is_better = False

    def __init__(
        self,
        temperature: float = 1.0,
        *,
        manifold: SupportsSimilarity | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.temperature = temperature
        self.manifold = manifold

    def measure(self, source: Tensor, target: Tensor) -> tuple[Tensor, float]:
        """Uniformity of one pair of embedding sets."""
        value = functional.uniformity(source, target, self.temperature, manifold=self.manifold)
        return value, 1.0
