"""The alarm of metrics that a collapsed encoder would win."""

from __future__ import annotations

import warnings
from typing import Any

from torch import Tensor

from equiform import functional
from equiform.metrics._base import TransformationMetric


class CollapseWarning(UserWarning):
    """The embeddings are so close to one direction that a good equivariance score means nothing."""


class EquivarianceMetric(TransformationMetric):
    """Keeps the effective rank beside the score."""

    higher_is_better = False
    rank_total: Tensor
    num_updates: Tensor

    #: Mean effective rank below which embeddings in two or more dimensions count as collapsed. On
    #: the sphere that is a mean cosine of 0.95 in 128 dimensions, of 0.92 in 8.
    collapse_threshold = 1.5

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._add_sum("rank_total")
        self._add_sum("num_updates")

    def compute(self) -> Tensor:
        """The mean over updates; warns where the encoder has collapsed."""
        self._warn_of_collapse()
        return super().compute()

    def _watch(self, source: Tensor) -> None:
        one_dimensional = source.shape[-1] == 1
        rank = functional.effective_rank(source)
        self.rank_total += self.collapse_threshold if one_dimensional else rank
        self.num_updates += 1

    def _warn_of_collapse(self) -> None:
        rank = float(self.rank_total / self.num_updates.clamp_min(1))
        if self.num_updates > 0 and rank < self.collapse_threshold:
            warnings.warn(
                f"the embeddings have collapsed (effective rank {rank:.2f}): {type(self).__name__} "
                "is small for any such encoder and says nothing about equivariance",
                CollapseWarning,
                stacklevel=3,
            )
