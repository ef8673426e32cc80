"""The panel of metrics to report together."""

from __future__ import annotations

from torchmetrics import MetricCollection

from equiform.forms import EuclideanForm
from equiform.groups import SpecialOrthogonal
from equiform.metrics.relative import RelativeEquivariance
from equiform.metrics.spread import EffectiveRank, Uniformity
from equiform.metrics.wahba import WahbaError


def equivariance_metrics(d: int) -> MetricCollection:
    """W_f over O(d) and SO(d), γ_b and γ_f of Euclidean embeddings, with what tells of a collapse.

    Args:
        d: dimension of the embeddings.

    Returns:
        A collection to update with ``(source, target)``, one transformation at a time; its result
        is a dictionary of floats with the keys ``wahba``, ``wahba_so``, ``gamma_b``, ``gamma_f``,
        ``effective_rank`` and ``uniformity``.
    """
    return MetricCollection(
        {
            "wahba": WahbaError(EuclideanForm().isometry_group(d)),
            "wahba_so": WahbaError(SpecialOrthogonal(d)),
            "gamma_b": RelativeEquivariance(),
            "gamma_f": RelativeEquivariance(bounded=False),
            "effective_rank": EffectiveRank(),
            "uniformity": Uniformity(),
        },
        compute_groups=False,
    )
