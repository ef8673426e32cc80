"""Metrics of equivariance, which warn where the encoder has collapsed."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor

from equiform import functional
from equiform.forms import BilinearForm
from equiform.functional.measures import relative_equivariance_terms
from equiform.groups import IsometryGroup
from equiform.metrics._base import PairMetric


class CollapseWarning(UserWarning):
    """The embeddings are so close to one direction that a good equivariance score means nothing."""


class _EquivarianceMetric(PairMetric):
    """Keeps the effective rank beside the score."""

    higher_is_better = False
    rank_total: Tensor
    num_updates: Tensor

    #: Mean effective rank below which embeddings in two or more dimensions count as collapsed. On
    #: the sphere that is a mean cosine of 0.95 in 128 dimensions, of 0.92 in 8.
    collapse_threshold = 1.5

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.add_state("rank_total", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("num_updates", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, source: Tensor, target: Tensor) -> None:
        """Take the embeddings f(x) and f(a x) of one transformation a, each ``(n, d)``."""
        super().update(source, target)
        one_dimensional = source.shape[-1] == 1
        rank = functional.effective_rank(source.detach())
        self.rank_total += self.collapse_threshold if one_dimensional else rank
        self.num_updates += 1

    def compute(self) -> Tensor:
        """The mean over updates; warns where the encoder has collapsed."""
        rank = float(self.rank_total / self.num_updates.clamp_min(1))
        if self.num_updates > 0 and rank < self.collapse_threshold:
            warnings.warn(
                f"the embeddings have collapsed (effective rank {rank:.2f}): {type(self).__name__} "
                "is small for any such encoder and says nothing about equivariance",
                CollapseWarning,
                stacklevel=2,
            )
        return super().compute()


class WahbaError(_EquivarianceMetric):
    r"""W_f: relative error of the one group element that best explains a transformation.

    The element is fitted on every other point and measured on the rest, so that a fit with as many
    parameters as data cannot look good. Mean over updates, one update a transformation.

    Args:
        group: where it is sought: ``EuclideanForm().isometry_group(d)`` for O(d), which is the
            theory's group, or ``SpecialOrthogonal(d)``, which is the paper's metric.
        held_out: measure on points that were not fitted; False measures on those that were.
        kwargs: of :class:`torchmetrics.Metric`.

    Source: Gupta et al., ICLR 2024, §4; see :func:`equiform.functional.wahba_error`.
    """

    def __init__(self, group: IsometryGroup, *, held_out: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.group = group
        self.held_out = held_out

    def measure(self, source: Tensor, target: Tensor) -> tuple[Tensor, float]:
        """Wahba error of one transformation."""
        if not self.held_out:
            return functional.wahba_error(source, target, self.group), 1.0
        if len(source) < 2:
            raise ValueError(
                "WahbaError needs at least two points to hold one out, got n=1; "
                "use held_out=False to measure on the fitted point"
            )
        test = (source[1::2], target[1::2])
        return functional.wahba_error(source[::2], target[::2], self.group, held_out=test), 1.0


class RelativeEquivariance(_EquivarianceMetric):
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

    def measure(self, source: Tensor, target: Tensor) -> tuple[Tensor, Tensor | float]:
        """Numerator and denominator of γ_b, or γ_f with weight 1."""
        if self.bounded:
            return relative_equivariance_terms(source, target, self.form)
        return functional.relative_equivariance_care(source, target), 1.0
