"""Metrics of equivariance: torchmetrics classes over :mod:`equiform.functional`.

Needs the ``metrics`` extra. **A collapsed encoder scores a perfect W_f and γ**, so report
:class:`EffectiveRank` and :class:`Uniformity` beside them: :func:`equivariance_metrics` makes the
whole panel, and the equivariance metrics warn with :class:`CollapseWarning`.

Each :class:`EstimatedMetric` has ``estimate()`` beside ``compute()``: with a bootstrap interval,
and with what shuffled pairs give.
"""

from equiform.metrics._base import (
    CollapseWarning,
    EquivarianceMetric,
    EstimatedMetric,
    PairMetric,
    TransformationMetric,
)
from equiform.metrics.knn import KNNAccuracy
from equiform.metrics.panel import equivariance_metrics
from equiform.metrics.relative import RelativeEquivariance
from equiform.metrics.spread import CosineSpread, EffectiveRank, Uniformity
from equiform.metrics.wahba import CompositionDefect, TrivialFitWarning, WahbaError

__all__ = [
    "CollapseWarning",
    "CompositionDefect",
    "CosineSpread",
    "EffectiveRank",
    "EquivarianceMetric",
    "EstimatedMetric",
    "KNNAccuracy",
    "PairMetric",
    "RelativeEquivariance",
    "TransformationMetric",
    "TrivialFitWarning",
    "Uniformity",
    "WahbaError",
    "equivariance_metrics",
]
