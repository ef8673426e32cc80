"""How embeddings spread, and how evenly a transformation turns them."""

from typing import Any

import torch
from torch import Tensor

from equiform import functional
from equiform._options import check_number
from equiform.forms import Form
from equiform.functional import SupportsSimilarity
from equiform.functional._arguments import CarriesForm, check_manifold, form_of
from equiform.functional.spread import cosines
from equiform.metrics._base import EstimatedMetric, PairMetric, shuffled


class EffectiveRank(PairMetric):
    """Effective number of directions that f(x) uses; 1 says that the encoder has collapsed.

    Arguments as in :func:`equiform.functional.effective_rank`.
    """

    higher_is_better = True
    plot_lower_bound = 0.0

    def __init__(
        self, form: Form | None = None, *, manifold: CarriesForm | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        meant = form_of(form, manifold)
        self.form = form if manifold is None else meant

    def measure(self, source: Tensor, target: Tensor) -> tuple[Tensor, float]:
        """Effective rank of the embeddings before the transformation, NaN if any after it is."""
        rank = functional.effective_rank(source, self.form)
        return rank.where(target.isfinite().all(), torch.nan), 1.0


class Uniformity(PairMetric):
    """Uniformity of both sets of embeddings; its maximum 1/τ says that they coincide.

    Arguments as in :func:`equiform.functional.uniformity`.
    """

    is_real = True

    higher_is_better = False

    def __init__(
        self, temperature: float = 1.0, *, manifold: SupportsSimilarity | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.temperature = check_number("temperature", temperature, positive=True)
        check_manifold(manifold, "similarity")
        self.manifold = manifold

    def measure(self, source: Tensor, target: Tensor) -> tuple[Tensor, float]:
        """Uniformity of one pair of embedding sets."""
        return functional.uniformity(source, target, self.temperature, manifold=self.manifold), 1.0


class CosineSpread(EstimatedMetric):
    """Variance over points of the cosine between f(x) and f(a x); mean over transformations.

    See :func:`equiform.functional.cosine_spread`.
    """

    plot_upper_bound = 1.0

    def update(self, source: Tensor, target: Tensor) -> None:
        """Take the embeddings f(x) and f(a x) of one transformation a, each ``(n, d)``."""
        source, target = self._take(source=source, target=target)
        terms, null = (_powers(source, other) for other in (target, shuffled(target)))
        self._record(source, terms, null, _variance)


def _powers(source: Tensor, target: Tensor) -> Tensor:
    """1, c and c² of each cosine c, from their mean so that nothing cancels; ``(n, 3)``."""
    c = cosines(source, target)
    c = c - c.mean()
    return torch.stack([torch.ones_like(c), c, c.square()], -1)


def _variance(sums: Tensor) -> Tensor:
    """Variance from sums of powers, ``(..., 3) -> (...)``."""
    n, first, second = sums.unbind(-1)
    return (second / n - (first / n).square()).clamp_min(0)
