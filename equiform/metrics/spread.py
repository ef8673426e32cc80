"""How embeddings spread, and how evenly a transformation turns them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from equiform import functional
from equiform.functional import SupportsSimilarity
from equiform.functional.spread import cosines
from equiform.metrics._base import PairMetric
from equiform.metrics._estimate import EstimatedMetric, shuffled


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


class CosineSpread(EstimatedMetric):
    """Variance over points of the cosine between f(x) and f(a x); mean over transformations.

    Zero where each transformation turns all embeddings by one angle, as an equivariant encoder
    onto the circle does. See :func:`equiform.functional.cosine_spread`.

    Source: Gupta et al., ICLR 2024, Fig. 6.
    """

    def update(self, source: Tensor, target: Tensor) -> None:
        """Take the embeddings f(x) and f(a x) of one transformation a, each ``(n, d)``."""
        source, target = self._checked(source=source, target=target)
        self._watch(source)
        self._record(_powers(source, target), _powers(source, shuffled(target)), _variance)


def _powers(source: Tensor, target: Tensor) -> Tensor:
    """1, c and c² of each cosine c, from their mean so that nothing cancels; ``(n, 3)``."""
    c = cosines(source, target)
    c = c - c.mean()
    return torch.stack([torch.ones_like(c), c, c.square()], -1)


def _variance(sums: Tensor) -> Tensor:
    """Variance from sums of powers, ``(..., 3) -> (...)``."""
    n, first, second = sums.unbind(-1)
    return (second / n - (first / n).square()).clamp_min(0)
