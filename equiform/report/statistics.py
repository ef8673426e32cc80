"""All that is kept of the embeddings: sums over points, however many points there are."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from equiform.functional.bootstrap import NUM_REPLICATES, percentile_interval
from equiform.functional.wahba import root_ratio, wahba_terms
from equiform.groups import Moments


class ShuffledPairs:
    """Pairs each point with the transform of the point before it, in a cycle that closes.

    Points arrive in random order, so these are independent pairs: the null against which an error
    is read. They are not drawn within each batch, so as not to depend on where batches end.
    """

    def __init__(self) -> None:
        self._ends: tuple[Tensor, Tensor] | None = None

    def pair(self, source: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """The pairs that a batch completes."""
        last = target[-1:].clone()  # a view would keep its whole batch
        if self._ends is None:
            self._ends = source[:1].clone(), last
            return source[1:], target[:-1]
        first, previous = self._ends
        self._ends = first, last
        return source, torch.cat([previous, target[:-1]])

    def close(self) -> tuple[Tensor, Tensor]:
        """The pair that is left after all batches: the first point, the transform of the last."""
        if self._ends is None:
            raise RuntimeError("there are no points to pair")
        return self._ends


class FitStatistics:
    """Moments of a transformation a on the points to which T is fitted.

    Args:
        empty: moments of no points.

    Attributes:
        once: of f(x) and f(a x).
        twice: of f(x) and f(a a x).
        shuffled: of f(x) and f(a x'), where x' is another point.
    """

    def __init__(self, empty: Moments) -> None:
        self.once = self.twice = self.shuffled = empty
        self._pairs = ShuffledPairs()

    def update(self, source: Tensor, once: Tensor, twice: Tensor | None) -> None:
        """Take the embeddings of a batch, and of the batch transformed once and twice."""
        self.once += Moments.of(source, once)
        self.shuffled += Moments.of(*self._pairs.pair(source, once))
        if twice is not None:
            self.twice += Moments.of(source, twice)

    def close(self) -> None:
        """Take the shuffled pair that is left."""
        self.shuffled += Moments.of(*self._pairs.close())


class HeldOutStatistics:
    """Errors on points that were not fitted: of T, of the identity, and of the null's T.

    Args:
        matrix: T, shape ``(d, d)``.
        null_matrix: the T that was fitted to shuffled pairs, shape ``(d, d)``.
        empty: moments of no points.

    Attributes:
        moments: of f(x) and f(a x).
    """

    def __init__(self, matrix: Tensor, null_matrix: Tensor, empty: Moments) -> None:
        self.moments = empty
        self.matrix = matrix
        self.null_matrix = null_matrix
        self._identity = torch.eye(empty.dim, dtype=matrix.dtype, device=matrix.device)
        self._pairs = ShuffledPairs()
        # Sums of squared errors, and of what they are relative to.
        self._error = self._moved = self._null = matrix.real.new_zeros(2)
        self._replicates = matrix.real.new_zeros(NUM_REPLICATES, 2)

    def update(self, source: Tensor, target: Tensor, counts: Tensor) -> None:
        """Take the embeddings of a batch before and after, and its counts from `poisson_counts`."""
        self.moments += Moments.of(source, target)
        terms = wahba_terms(source, target, self.matrix, None)
        self._error = self._error + terms.sum(0)
        self._replicates += counts.to(terms).mT @ terms
        self._moved = self._moved + wahba_terms(source, target, self._identity, None).sum(0)
        self._take_shuffled(*self._pairs.pair(source, target))

    def close(self) -> None:
        """Take the shuffled pair that is left."""
        self._take_shuffled(*self._pairs.close())

    def _take_shuffled(self, source: Tensor, target: Tensor) -> None:
        self._null = self._null + wahba_terms(source, target, self.null_matrix, None).sum(0)

    @property
    def error(self) -> float:
        """W_f of T."""
        return root_ratio(self._error).item()

    @property
    def interval(self) -> tuple[float, float]:
        """95% interval of :attr:`error` over the points, T held fixed."""
        # A replicate that drew no point says nothing; with 2 points one in seven does not.
        drawn = self._replicates[:, 1:] > 0
        replicates = torch.where(drawn, self._replicates, self._error)
        low, high = percentile_interval(root_ratio(replicates), 0.95)
        return low.item(), high.item()

    @property
    def null(self) -> float:
        """W_f of shuffled pairs."""
        return root_ratio(self._null).item()

    @property
    def invariance_error(self) -> float:
        """W_f of T = I."""
        return root_ratio(self._moved).item()

    @property
    def squared_displacement(self) -> float:
        """Sum over points of |f(a x) - f(x)|²."""
        return self._moved[0].item()


@dataclass
class SourceStatistics:
    """The embeddings f(x) of points that were not fitted.

    Attributes:
        total: their sum, shape ``(d,)``.
        count: how many there are.
    """

    total: Tensor
    count: int = 0

    def update(self, source: Tensor) -> None:
        """Take the embeddings of a batch."""
        self.total = self.total + source.sum(0)
        self.count += len(source)

    def squared_spread(self, second_moment: Tensor) -> float:
        """Mean of |f(x) - f(x')|² over pairs of two points; 0 where that is mere rounding.

        Args:
            second_moment: of the same points, shape ``(d, d)``.
        """
        n = self.count
        energy = second_moment.trace().real.item()
        scatter = energy - self.total.abs().square().sum().item() / n
        eps = torch.finfo(second_moment.dtype).eps
        return 2 * scatter / (n - 1) if scatter > 1e3 * eps * energy else 0.0


def poisson_counts(rows: int, generator: torch.Generator) -> Tensor:
    """How often each row enters each bootstrap replicate, ``(rows, NUM_REPLICATES)``.

    Drawn row after row, so that they do not depend on where batches end.
    """
    return torch.poisson(torch.ones(rows, NUM_REPLICATES), generator)
