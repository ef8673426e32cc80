"""Metrics of equivariance: torchmetrics classes over :mod:`equiform.functional`.

Needs the ``metrics`` extra. **A collapsed encoder scores a perfect W_f and γ**, so report
:class:`EffectiveRank` and :class:`Uniformity` beside them: :func:`equivariance_metrics` makes the
whole panel, and the equivariance metrics warn with :class:`CollapseWarning`.
"""

from equiform._extras import require

require("torchmetrics", extra="metrics")

from equiform.metrics._base import PairMetric  # noqa: E402
from equiform.metrics.equivariance import (  # noqa: E402
    CollapseWarning,
    RelativeEquivariance,
    WahbaError,
)
from equiform.metrics.panel import equivariance_metrics  # noqa: E402
from equiform.metrics.spread import EffectiveRank, Uniformity  # noqa: E402

__all__ = [
    "CollapseWarning",
    "EffectiveRank",
    "PairMetric",
    "RelativeEquivariance",
    "Uniformity",
    "WahbaError",
    "equivariance_metrics",
]
