"""Errors of fitted group elements, on points that were not fitted."""

from __future__ import annotations

import warnings
from typing import Any

from torch import Tensor

from equiform.functional import SupportsDistance
from equiform.functional.wahba import composition_terms, root_ratio, wahba_terms
from equiform.groups import IsometryGroup
from equiform.metrics._estimate import EstimatedMetric, shuffled


class TrivialFitWarning(UserWarning):
    """A group element was fitted to no more points than dimensions, which says little of it."""


class _FittedMetric(EstimatedMetric):
    """Fits on every other point and measures on the rest.

    A fit with as many parameters as data cannot look good.
    """

    _warned = False

    def __init__(
        self, group: IsometryGroup, *, manifold: SupportsDistance | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.group = group
        self.manifold = manifold

    def _warn_of_trivial_fit(self, fitted: Tensor) -> None:
        n, d = fitted.shape
        if n <= d and not self._warned:
            self._warned = True
            warnings.warn(
                f"{type(self).__name__} fits {n} points in {d} dimensions, which leaves the group "
                f"element open or trivially good; give each update more than {d} points to fit",
                TrivialFitWarning,
                stacklevel=4,
            )

    def _check_number(self, source: Tensor, remedy: str = "") -> None:
        if len(source) < 2:
            raise ValueError(
                f"{type(self).__name__} needs at least two points to hold one out, "
                f"got n={len(source)}{remedy}"
            )


class WahbaError(_FittedMetric):
    r"""W_f: relative error of the one group element that best explains a transformation.

    The element is fitted on every other point and measured on the rest, so that a fit with as many
    parameters as data cannot look good. Mean over updates, one update a transformation; warns with
    :class:`TrivialFitWarning` where it fits no more points than dimensions.

    Args:
        group: where it is sought: ``EuclideanForm().isometry_group(d)`` for O(d), which is the
            theory's group, or ``SpecialOrthogonal(d)``, which is the paper's metric.
        held_out: measure on points that were not fitted; False measures on those that were.
        manifold: on which the embeddings lie; the value is then the root mean square of geodesic
            distances, as it should be on a hyperboloid.
        kwargs: of :class:`torchmetrics.Metric`.

    Source: Gupta et al., ICLR 2024, §4; see :func:`equiform.functional.wahba_error`.
    """

    def __init__(
        self,
        group: IsometryGroup,
        *,
        held_out: bool = True,
        manifold: SupportsDistance | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(group, manifold=manifold, **kwargs)
        self.held_out = held_out

    def update(self, source: Tensor, target: Tensor) -> None:
        """Take the embeddings f(x) and f(a x) of one transformation a, each ``(n, d)``."""
        source, target = self._checked(source=source, target=target)
        if self.held_out:
            self._check_number(source, "; use held_out=False to measure on the fitted point")
        self._watch(source)
        self._warn_of_trivial_fit(source[self._fitted])
        self._record(self._terms(source, target), self._terms(source, shuffled(target)), root_ratio)

    @property
    def _fitted(self) -> slice:
        return slice(None, None, 2 if self.held_out else 1)

    def _terms(self, source: Tensor, target: Tensor) -> Tensor:
        fit = self.group.recover(source[self._fitted], target[self._fitted])
        rest = slice(1, None, 2) if self.held_out else slice(None)
        return wahba_terms(source[rest], target[rest], fit.matrix, self.manifold)


class CompositionDefect(_FittedMetric):
    r"""How far the element fitted to a' a is from the product of those fitted to a' and to a.

    Elements are fitted on every other point and measured on the rest. Mean over updates, one
    update a pair of transformations. Zero for an equivariant encoder, but for an invariant one
    too; warns as :class:`WahbaError` does. Fits of noisy points compose with the errors of all
    three: read it beside W_f.

    Args:
        group: where the elements are sought.
        manifold: as in :class:`WahbaError`. Without it the defect is relative, in the frame that
            the group balances, and one isometry of all embeddings changes nothing.
        kwargs: of :class:`torchmetrics.Metric`.

    Source: Gupta et al., ICLR 2024, Corollary 1; see
    :func:`equiform.functional.composition_defect`.
    """

    def update(self, source: Tensor, first: Tensor, second: Tensor, both: Tensor) -> None:
        """Take f(x), f(a x), f(a' x) and f(a'(a x)) of two transformations, each ``(n, d)``."""
        source, *targets = self._checked(source=source, first=first, second=second, both=both)
        self._check_number(source)
        self._watch(source)
        self._warn_of_trivial_fit(source[::2])
        # Each in an order of its own: one order for all three would relate them.
        unrelated = [shuffled(target, seed) for seed, target in enumerate(targets)]
        self._record(self._terms(source, *targets), self._terms(source, *unrelated), root_ratio)

    def _terms(self, source: Tensor, first: Tensor, second: Tensor, both: Tensor) -> Tensor:
        return composition_terms(
            source[1::2],
            source[::2],
            first[::2],
            second[::2],
            both[::2],
            self.group,
            self.manifold,
        )
