"""γ: how far pairwise products move, relative to how far the embeddings do."""

from typing import Any

from torch import Tensor

from equiform import functional
from equiform._options import check_flag
from equiform.forms import EuclideanForm, Form
from equiform.functional._arguments import CarriesForm, form_of
from equiform.functional.relative import relative_equivariance_terms
from equiform.metrics._base import EquivarianceMetric, PairMetric, check_range


class RelativeEquivariance(EquivarianceMetric, PairMetric):
    r"""γ_b, pooling numerators and denominators over all updates.

    Nothing is fitted, so every point is held out. What is pooled is of fourth order: embeddings in
    double precision have to be between 1e-70 and 1e70 in size, which is checked.

    Args:
        form, manifold: as in :func:`equiform.functional.relative_equivariance`.
        bounded: False gives γ_f as the paper prints it, a mean over pairs and updates, for
            Euclidean embeddings only: :func:`equiform.functional.relative_equivariance_care`.
        kwargs: of :class:`torchmetrics.Metric`.
    """

    def __init__(
        self,
        form: Form | None = None,
        *,
        manifold: CarriesForm | None = None,
        bounded: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_flag("bounded", bounded)
        meant = form_of(form, manifold)
        if meant != EuclideanForm() and not bounded:
            raise ValueError(f"γ_f is made of Euclidean distances; {meant} needs bounded=True")
        self.form = form if manifold is None else meant
        self.bounded = bounded

    def measure(self, source: Tensor, target: Tensor) -> tuple[Tensor, Tensor | float]:
        """Numerator and denominator of γ_b, or γ_f and 1."""
        if self.bounded:
            check_range(4, source=source, target=target)
            value, weight = relative_equivariance_terms(source, target, self.form)
        else:
            value, weight = functional.relative_equivariance_care(source, target), 1.0
        self._watch(source)
        return value, weight

    @property
    def plot_upper_bound(self) -> float | None:  # pyright: ignore[reportIncompatibleVariableOverride]
        """1, which γ_b does not exceed; γ_f may."""
        return 1.0 if self.bounded else None

    def _watched_form(self) -> Form | None:
        return self.form
