"""The two passes over the data: one to fit on, one to measure on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from equiform._extras import require
from equiform.audit.batches import Batches, ReportError
from equiform.audit.embedding import Embedding, check_transformation
from equiform.audit.statistics import HeldOutStatistics
from equiform.functional.bootstrap import NUM_REPLICATES
from equiform.groups import Moments

#: Of each transformation: its name, a x, f(a x), and f(a x') where x' is another point.
Targets = Iterator[tuple[str, Any, Tensor, Tensor]]


@dataclass(frozen=True)
class Passes:
    """Data, encoder and transformations, and the passes in which they meet."""

    batches: Batches
    embed: Embedding
    transformations: Mapping[str, Callable[[Any], Any]]
    progress: bool

    def start(self) -> Moments:
        """Check all on a first batch; moments of no points, of the embeddings' d and dtype."""
        first = self.batches.fit[: self.batches.batch_size]
        batch = self.batches.load(first)
        for name, transformation in self.transformations.items():
            check_transformation(name, transformation, batch, self.embed)
        z = self.embed(batch)
        if len(z) != len(first):
            raise ReportError(
                f"the encoder must return one embedding an item, got {len(z)} for {len(first)} "
                "items; pool over what an item is made of"
            )
        return Moments.zeros(d=z.shape[1], dtype=z.dtype, device=z.device, eps=self.embed.eps)

    def fit(self, empty: Moments, *, composition: bool) -> dict[str, list[Moments]]:
        """Of each a: moments of f(x) with f(a x), with f(a x'), and if asked for with f(a a x)."""
        moments = {name: [empty] * (2 + composition) for name in self.transformations}

        def take(source: Tensor, targets: Targets) -> None:
            for name, moved, *ends in targets:
                if composition:
                    ends.append(self.embed(self.transformations[name](moved), name))
                pairs = zip(moments[name], ends, strict=True)
                moments[name] = [m + Moments.of(source, end) for m, end in pairs]

        self._run(self.batches.fit, "fit", take)
        return moments

    def measure(self, statistics: dict[str, HeldOutStatistics], generator: torch.Generator) -> None:
        """Take the held-out half; the generator draws the counts of the bootstrap."""

        def take(source: Tensor, targets: Targets) -> None:
            # One draw for all transformations: their intervals can be compared. It is drawn row
            # after row, so that it does not depend on where batches end.
            counts = torch.poisson(torch.ones(len(source), NUM_REPLICATES), generator)
            for name, _, target, shuffled in targets:
                statistics[name].update(source, target, shuffled, counts)

        self._run(self.batches.held_out, "measure", take)

    def _run(self, half: Tensor, label: str, take: Callable[[Tensor, Targets], None]) -> None:
        """Call ``take`` with f(x) of each batch and what the transformations make of it.

        x' is the point before x, and the last one before the first. Points arrive in random order,
        so these pairs are independent: the null against which an error is read. They are not drawn
        within each batch, so as not to depend on where batches end.
        """
        end = self.batches.load(half[-2:])  # two, as some encoders squeeze a batch of one
        maps = self.transformations.items()
        last = {name: self.embed(a(end), name)[-1:].clone() for name, a in maps}

        def targets(batch: Any) -> Targets:
            for name, a in maps:
                moved = a(batch)
                target = self.embed(moved, name)
                yield name, moved, target, torch.cat([last[name], target[:-1]])
                last[name] = target[-1:].clone()  # a view would keep its whole batch

        # A function, so that nothing of one batch is alive beside the next.
        def both(batch: Any) -> tuple[Tensor, Targets]:
            return self.embed(batch), targets(batch)

        chunks = half.split(self.batches.batch_size)
        if self.progress:
            tqdm = require("tqdm", extra="examples").tqdm
            chunks = tqdm(chunks, label, unit="batch", disable=None)
        for chunk in chunks:
            take(*both(self.batches.load(chunk)))
