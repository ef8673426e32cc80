"""The two passes over the data: one to fit on, one to measure on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from equiform.groups import Moments
from equiform.report.batches import Batches, with_progress
from equiform.report.embedding import Embedding, check_transformation
from equiform.report.statistics import (
    FitStatistics,
    HeldOutStatistics,
    SourceStatistics,
    poisson_counts,
)


@dataclass(frozen=True)
class Passes:
    """Data, encoder and transformations, and the passes in which they meet.

    The body of each loop is a function, so that nothing of one batch is alive beside the next.
    """

    batches: Batches
    embed: Embedding
    transformations: Mapping[str, Callable[[Any], Any]]
    progress: bool

    def start(self) -> Moments:
        """Check all on a first batch; moments of no points, of the embeddings' d and dtype."""
        batch = self.batches.load(self.batches.chunks(self.batches.fit)[0])
        for name, transformation in self.transformations.items():
            check_transformation(name, transformation, batch, self.embed)
        z = self.embed(batch)
        return Moments.zeros(d=z.shape[1], dtype=z.dtype, device=z.device)

    def fit(self, empty: Moments, *, composition: bool) -> dict[str, FitStatistics]:
        """Moments on the half to fit on, with those of a∘a where ``composition`` is asked for."""
        statistics = {name: FitStatistics(empty) for name in self.transformations}

        def take(batch: Any) -> None:
            source = self.embed(batch)
            for name, transformation in self.transformations.items():
                moved = transformation(batch)
                once = self.embed(moved, name)
                twice = self.embed(transformation(moved), name) if composition else None
                statistics[name].update(source, once, twice)

        for chunk in self._chunks(self.batches.fit, "fit"):
            take(self.batches.load(chunk))
        for each in statistics.values():
            each.close()
        return statistics

    def measure(
        self, statistics: dict[str, HeldOutStatistics], total: Tensor, generator: torch.Generator
    ) -> SourceStatistics:
        """Take the held-out half into ``statistics``; returns those of f(x) itself.

        Args:
            statistics: of each transformation.
            total: zero, shape ``(d,)``.
            generator: draws the counts of the bootstrap.
        """
        of_source = SourceStatistics(total)

        def take(batch: Any) -> None:
            source = self.embed(batch)
            of_source.update(source)
            # One draw for all transformations: their intervals can be compared.
            counts = poisson_counts(len(source), generator)
            for name, transformation in self.transformations.items():
                target = self.embed(transformation(batch), name)
                statistics[name].update(source, target, counts)

        for chunk in self._chunks(self.batches.held_out, "measure"):
            take(self.batches.load(chunk))
        for each in statistics.values():
            each.close()
        return of_source

    def _chunks(self, half: Tensor, name: str) -> Iterable[Tensor]:
        return with_progress(self.batches.chunks(half), name, self.progress)
