"""Metrics that know how sure they are, and what chance would give."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from equiform.functional.bootstrap import (
    NUM_REPLICATES,
    Estimate,
    percentile_interval,
    poisson_sums,
)
from equiform.metrics._collapse import EquivarianceMetric


class EstimatedMetric(EquivarianceMetric):
    """The mean over updates of a statistic of points, with an interval and a null.

    The interval is over the points, the transformations being as they are. Updates share the
    replicates by the row of a point, so each must hold the same points in the same order.
    """

    replicate_total: Tensor
    null_total: Tensor

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._add_sum("replicate_total", NUM_REPLICATES)
        self._add_sum("null_total")

    def estimate(self, level: float = 0.95) -> Estimate:
        """Value, bootstrap interval and null, over all processes where there are several.

        Args:
            level: the share of samples of points whose interval holds the value that the fits have
                on all points there are, strictly between 0 and 1.

        Returns:
            Scalars; ``value`` is that of ``compute()``.
        """
        with self.sync_context(dist_sync_fn=self.dist_sync_fn, should_sync=self.sync_on_compute):
            self._warn_of_collapse()
            totals = self.total, self.replicate_total, self.null_total
            value, replicates, null = map(self._mean, totals)
        return Estimate(value, *percentile_interval(replicates, level), null)

    def _record(self, terms: Tensor, null: Tensor, statistic: Callable[[Tensor], Tensor]) -> None:
        """Add one transformation: a statistic of the sums of terms of points ``(n, k)``."""
        values = statistic(poisson_sums(terms))
        self.total += values[0]
        self.replicate_total += values[1:]
        self.null_total += statistic(null.sum(0))
        self.weight += 1


def shuffled(target: Tensor, seed: int = 0) -> Tensor:
    """Rows in a fixed random order that leaves none of two or more in its place."""
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(target), generator=generator).to(target.device)
    result = torch.empty_like(target)
    result[order] = target[order.roll(1)]
    return result
