"""Errors of fitted group elements, on points that were not fitted."""

import operator
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from equiform._options import check_count
from equiform.forms import Form
from equiform.functional import SupportsDistance
from equiform.functional.wahba import Fit, root_ratio
from equiform.groups import IsometryGroup
from equiform.metrics._base import EstimatedMetric, check_range, shuffled
from equiform.metrics._streamed import add_batch, moments_shape, streamed_fits, writable


class TrivialFitWarning(UserWarning):
    """A group element was fitted to no more points than dimensions, which says little of it."""


class FittedMetric(EstimatedMetric):
    """Fits on every other point, from the first, and measures on the rest."""

    _warned = False

    def __init__(
        self,
        group: IsometryGroup | None = None,
        *,
        held_out: bool = True,
        form: Form | None = None,
        manifold: SupportsDistance | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._options = Fit(group, held_out, form, manifold)
        self.group = group
        self.held_out = held_out
        self.form = form
        self.manifold = manifold

    def _watched_form(self) -> Form | None:
        geometry = self.manifold if self.group is None else self.group
        return self.form or getattr(geometry, "form", None)

    def _warn_of_trivial_fit(self, n: int, d: int) -> None:
        if n <= d and not self._warned:
            self._warned = True
            warnings.warn(
                f"{type(self).__name__} fits {n} points in {d} dimensions, which leaves the group "
                f"element open or trivially good; give each update more than {d} points to fit",
                TrivialFitWarning,
                stacklevel=5,
            )

    def _fit(self, terms_of: Callable[..., Tensor], source: Tensor, *targets: Tensor) -> None:
        """Add one transformation: its terms, and those of shuffled pairs."""
        # Each in an order of its own: one order for all would relate them.
        unrelated = [shuffled(target, seed) for seed, target in enumerate(targets)]
        terms, null = (terms_of(source, *others) for others in (targets, unrelated))
        n, d = source.shape
        self._warn_of_trivial_fit((n + 1) // 2 if self.held_out else n, d)
        self._record(source, terms, null, root_ratio)


class WahbaError(FittedMetric):
    r"""W_f: relative error of the one group element that best explains a transformation.

    Mean of :func:`equiform.functional.wahba_error` over updates, one update a transformation; warns
    with :class:`TrivialFitWarning` where it fits no more points than dimensions.

    A data set too large for that comes in batches where ``num_transformations`` is given: each
    update names its transformation, only second moments are kept (12 d² numbers for each), and
    one element a transformation is fitted to all its points when the value is asked for, whatever
    the batches were. ``estimate()`` then has a null, of pairs shuffled within batches, but no
    interval: its ends are NaN. A value below about 1e-8 is rounding. ``forward`` splits each batch
    by itself; ``update`` splits all points of a transformation as they come.

    Args:
        group: ``EuclideanForm().isometry_group(d)`` for O(d), which is the theory's group, or
            ``SpecialOrthogonal(d)``, which is the paper's metric.
        held_out, form, manifold: as in :func:`equiform.functional.wahba_error`.
        num_transformations: how many transformations come in batches; needs a group, and no
            manifold, whose distances are no function of moments.
        kwargs: of :class:`torchmetrics.Metric`.

    Source: Gupta et al., ICLR 2024, §4.
    """

    moments: Tensor
    points: Tensor

    def __init__(
        self,
        group: IsometryGroup | None = None,
        *,
        held_out: bool = True,
        form: Form | None = None,
        manifold: SupportsDistance | None = None,
        num_transformations: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(group, held_out=held_out, form=form, manifold=manifold, **kwargs)
        self.num_transformations = num_transformations
        if num_transformations is None:
            return
        check_count("num_transformations", num_transformations)
        if group is None or manifold is not None:
            raise ValueError(
                "num_transformations keeps moments, which need a group and give no distances on a "
                f"manifold; got group={group!r}, manifold={manifold!r}: write "
                "WahbaError(form.isometry_group(d), num_transformations=k)"
            )
        self._add_sum("moments", *moments_shape(num_transformations, group))
        self._add_sum("points", num_transformations, 2, 2)

    def update(self, source: Tensor, target: Tensor, transformation: int | None = None) -> None:
        """Take f(x) and f(a x), ``(n, d)``, of all points of one transformation a, or of a batch.

        Args:
            transformation: which one it is, from 0; only for batches.
        """
        source, target = self._take(source=source, target=target)
        if self.num_transformations is not None:
            i = self._checked(transformation, source)
            check_range(2, source=source, target=target)
            self.moments, self.points = writable(self.moments), writable(self.points)
            add_batch(self.moments[i], self.points[i], source, target, held_out=self.held_out)
        elif transformation is None:
            self._fit(self._options.errors, source, target)
        else:
            raise ValueError(
                f"transformation={transformation!r} is for batches: give WahbaError "
                "num_transformations, or all points of a transformation in one update"
            )

    def _measured(self) -> tuple[Tensor, ...]:
        if self.num_transformations is None or not self.points.any():
            return super()._measured()
        assert self.group is not None  # which was asked for at construction
        eps = torch.finfo(torch.float64 if self.seen_double else torch.float32).eps
        error, null, fitted, rows = streamed_fits(
            self.moments, self.points, self.group, held_out=self.held_out, eps=eps
        )
        self._warn_of_trivial_fit(int(fitted.min()), self.group.dim)
        value, null = self._answer(error.mean()), self._answer(null.mean())
        return torch.stack([*map(self._rank, rows)]).mean(), value, value * torch.nan, null

    def _checked(self, transformation: int | None, source: Tensor) -> int:
        k, group = len(self.points), self.group
        assert group is not None  # which was asked for at construction
        try:
            # Of a DataLoader it is a tensor.
            index = operator.index(transformation)  # type: ignore[arg-type]
        except (TypeError, RuntimeError):
            index = -1
        if isinstance(transformation, bool) or not 0 <= index < k:
            raise ValueError(
                f"transformation must be an int from 0 to {k - 1}, which says what the batch went "
                f"through, got {transformation!r}"
            )
        if source.shape[-1] != group.dim:
            raise ValueError(f"source must have shape (n, {group.dim}), got {tuple(source.shape)}")
        group.form.check_embedding(source)
        return index


class CompositionDefect(FittedMetric):
    r"""How far the element fitted to a' a is from the product of those fitted to a' and to a.

    Mean of :func:`equiform.functional.composition_defect` over updates, one update a pair of
    transformations; arguments and warnings are those of :class:`WahbaError`. Zero for an
    equivariant encoder, but for an invariant one too. Fits of noisy points compose with the errors
    of all three: read it beside W_f.

    Source: Gupta et al., ICLR 2024, Corollary 1.
    """

    def update(self, source: Tensor, first: Tensor, second: Tensor, both: Tensor) -> None:
        """Take f(x), f(a x), f(a' x) and f(a'(a x)) of two transformations, each ``(n, d)``."""
        sets = self._take(source=source, first=first, second=second, both=both)
        self._fit(self._options.defects, *sets)
