"""Metrics of equivariance: torchmetrics classes over :mod:`equiform.functional`.

Needs the ``metrics`` extra. **A collapsed encoder scores a perfect W_f and γ**, so report
:class:`EffectiveRank` and :class:`Uniformity` beside them: :func:`equivariance_metrics` makes the
whole panel, and the equivariance metrics warn with :class:`CollapseWarning`.

:class:`WahbaError`, :class:`CompositionDefect` and :class:`CosineSpread` have ``estimate()`` beside
``compute()``: an :class:`equiform.functional.Estimate`, with a bootstrap interval and with what
shuffled pairs give.
"""

from equiform._extras import require

require("torchmetrics", extra="metrics")

from equiform.metrics._base import PairMetric, TransformationMetric  # noqa: E402
from equiform.metrics._collapse import CollapseWarning, EquivarianceMetric  # noqa: E402
from equiform.metrics._estimate import EstimatedMetric  # noqa: E402
from equiform.metrics.knn import KNNAccuracy  # noqa: E402
from equiform.metrics.panel import equivariance_metrics  # noqa: E402
from equiform.metrics.relative import RelativeEquivariance  # noqa: E402
from equiform.metrics.spread import CosineSpread, EffectiveRank, Uniformity  # noqa: E402
from equiform.metrics.wahba import (  # noqa: E402
    CompositionDefect,
    TrivialFitWarning,
    WahbaError,
)

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
