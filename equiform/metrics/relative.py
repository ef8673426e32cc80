"""γ: how far pairwise products move, relative to how far the embeddings do."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from equiform import functional
from equiform.forms import BilinearForm
from equiform.functional.relative import relative_equivariance_terms
from equiform.metrics._collapse import EquivarianceMetric


class RelativeEquivariance(EquivarianceMetric):
    r"""γ: how far pairwise products move, relative to how far the embeddings do.

    Nothing is fitted, so every point is held out. γ_b pools numerators and denominators over all
    updates; γ_f is a mean over pairs and updates.

    Args:
        form: the product that is to be preserved; Euclidean, or Hermitian, unless given.
        bounded: γ_b, in [0, 1] and defined for every form; False gives γ_f as the paper prints it,
            for Euclidean embeddings only.
        kwargs: of :class:`torchmetrics.Metric`.

    Source: see :func:`equiform.functional.relative_equivariance` (γ_b) and
    :func:`equiform.functional.relative_equivariance_care` (γ_f).
    """

    def __init__(
        self, form: BilinearForm | None = None, *, bounded: bool = True, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if form is not None and not bounded:
            raise ValueError(f"γ_f is made of Euclidean distances; form={form} needs bounded=True")
        self.form = form
        self.bounded = bounded

    def update(self, source: Tensor, target: Tensor) -> None:
        """Take the embeddings f(x) and f(a x) of one transformation a, each ``(n, d)``."""
        source, target = self._checked(source=source, target=target)
        self._watch(source)
        if self.bounded:
            numerator, denominator = relative_equivariance_terms(source, target, self.form)
            self.total += numerator
            self.weight += denominator
        else:
            self.total += functional.relative_equivariance_care(source, target)
            self.weight += 1
