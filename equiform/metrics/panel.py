"""The panel of metrics to report together."""

from torchmetrics import Metric, MetricCollection

from equiform._options import check_count
from equiform.forms import EuclideanForm, Form
from equiform.functional._arguments import Geometry, check_manifold, form_of
from equiform.groups import SpecialOrthogonal
from equiform.metrics.relative import RelativeEquivariance
from equiform.metrics.spread import EffectiveRank, Uniformity
from equiform.metrics.wahba import WahbaError


def equivariance_metrics(
    d: int, *, form: Form | None = None, manifold: Geometry | None = None
) -> MetricCollection:
    """W_f, γ and what tells of a collapse, for embeddings with a form or on a manifold.

    Args:
        d: dimension of the embeddings.
        form: the product that is to be preserved; Euclidean unless given.
        manifold: on which the embeddings lie, in place of its form. Where the form is not
            definite, as on a hyperboloid, W_f is in geodesic distance.

    Returns:
        A collection to update with ``(source, target)``, one transformation at a time; its result
        is a dictionary with the keys ``wahba``, ``gamma_b`` and ``effective_rank``; ``uniformity``
        for Euclidean embeddings or on a manifold; and for Euclidean ones ``wahba_so``, over SO(d),
        and ``gamma_f``.
    """
    check_count("d", d)
    check_manifold(manifold, "dist", "similarity", "isometry_group")
    meant = form_of(form, manifold)
    group = (meant if manifold is None else manifold).isometry_group(d)  # type: ignore[union-attr]
    # Norms say how far apart points are, unless an isometry changes them.
    norms = all(0 in part.signature(s.stop - s.start) for part, s in meant.parts(d))
    metrics: dict[str, Metric | MetricCollection] = {
        "wahba": WahbaError(group, manifold=None if norms else manifold),
        "gamma_b": RelativeEquivariance(meant),
        "effective_rank": EffectiveRank(meant),
    }
    euclidean = meant == EuclideanForm()
    if euclidean or manifold is not None:
        metrics["uniformity"] = Uniformity(manifold=manifold)
    if euclidean:
        metrics["wahba_so"] = WahbaError(SpecialOrthogonal(d))
        metrics["gamma_f"] = RelativeEquivariance(bounded=False)
    return MetricCollection(metrics, compute_groups=False)
