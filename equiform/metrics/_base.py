"""What all metrics of embeddings share: float64 sums, the alarm of a collapse, intervals, nulls."""

# Annotations of attributes stay objects here, which torch.jit.script reads: no postponed ones.
import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from equiform import functional
from equiform._extras import require
from equiform._points import check_points, real_dtype
from equiform.forms import Form
from equiform.functional.bootstrap import (
    NUM_REPLICATES,
    Estimate,
    percentile_interval,
    poisson_sums,
)
from equiform.functional.spread import hides_collapse

require("torchmetrics", extra="metrics")
from torchmetrics import Metric  # noqa: E402


class EmbeddingMetric(Metric):
    """A weighted mean whose states are float64 sums over updates, and so over processes.

    It answers in the dtype that the function of its name does. Embeddings are detached. NaN in one
    update is NaN until ``reset()``, and so is the mean of no updates, which ``compute()`` warns of.
    """

    full_state_update = False
    is_differentiable = False
    #: Whether complex embeddings are refused.
    is_real: ClassVar[bool] = False
    # A manifold is a module without a forward, which torch.jit.script would look into.
    __jit_ignored_attributes__: ClassVar = [*Metric.__jit_ignored_attributes__, "manifold"]
    total: Tensor
    weight: Tensor
    num_updates: Tensor
    seen_double: Tensor

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.add_state("seen_double", torch.zeros(()).double(), dist_reduce_fx="max")
        self._add_sum("total")
        self._add_sum("weight")
        self._add_sum("num_updates")

    def compute(self) -> Tensor:
        """The weighted mean over all updates, 0 where the total weight is; NaN before the first."""
        return self._mean(self.total)

    def plot(self, val: Tensor | Sequence[Tensor] | None = None, ax: Any = None) -> Any:
        """Figure and axes with values, or with ``compute()``; needs the ``plots`` extra."""
        require("matplotlib", extra="plots")
        return self._plot(val, ax)

    def _apply(
        self, fn: Callable[[Tensor], Tensor], exclude_state: Sequence[str] = ""
    ) -> nn.Module:
        """Moves to a device; states, embeddings and labels keep their dtypes, in any module."""

        def move(x: Tensor) -> Tensor:
            moved = fn(x)
            return moved if moved.dtype == x.dtype else x.to(moved.device)

        return super()._apply(move, exclude_state)

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any
    ) -> None:
        # torchmetrics makes what it is given the state: it would be written to.
        for key in {prefix + name for name in self.metric_state} & state_dict.keys():
            state_dict[key] = state_dict[key].to(self.device, torch.float64, copy=True)
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)

    def _add_sum(self, name: str, *shape: int) -> None:
        self.add_state(name, torch.zeros(shape, dtype=torch.float64), dist_reduce_fx="sum")

    def _take(self, **sets: Tensor) -> list[Tensor]:
        """The embeddings, checked and detached."""
        check_points("(n, d)", real=self.is_real, finite=False, empty=False, **sets)
        self._see(*sets.values())
        return [x.detach() for x in sets.values()]

    def _see(self, *sets: Tensor) -> None:
        if real_dtype(*sets) == torch.float64:
            self.seen_double = torch.ones_like(self.seen_double)

    def _count(self, value: Tensor, weight: Tensor | float = 1.0) -> None:
        """Add an update: its value times its weight, and that weight."""
        # Not in place: what was made in inference mode is not to be written to outside of it.
        self.total = self.total + value
        self.weight = self.weight + weight
        self.num_updates = self.num_updates + 1

    def _answer(self, value: Tensor) -> Tensor:
        return value.to(torch.float64 if self.seen_double else torch.float32)

    def _mean(self, total: Tensor) -> Tensor:
        mean = total / self.weight.where(self.weight != 0, 1)
        return self._answer(torch.where(self.num_updates == 0, torch.nan, mean))


class TransformationMetric(EmbeddingMetric):
    """The mean over updates of a value that one transformation has.

    Each update takes all points that share one transformation, since what is measured is whether
    *one* matrix explains them.
    """


class PairMetric(TransformationMetric):
    """Accumulates a value from embeddings before and after one transformation an update."""

    def measure(self, source: Tensor, target: Tensor) -> tuple[Tensor, Tensor | float]:
        """The value of one transformation times its weight, and that weight."""
        raise NotImplementedError

    def update(self, source: Tensor, target: Tensor) -> None:
        """Take the embeddings f(x) and f(a x) of one transformation a, each ``(n, d)``."""
        self._count(*self.measure(*self._take(source=source, target=target)))


class CollapseWarning(UserWarning):
    """The embeddings have so few directions that a good equivariance score means nothing."""


class EquivarianceMetric(TransformationMetric):
    """Keeps the effective rank beside the score: of the form's Gram, and of the points.

    Each isometry of the form leaves the first as it is, so that a cloud far out on a hyperboloid,
    which is almost one direction of space, does not count as collapsed. Skew and joint forms,
    and others with null planes, may see a cloud near one point as two directions; there the second
    counts too.
    """

    higher_is_better = False
    plot_lower_bound = 0.0
    rank_total: Tensor

    #: Mean effective rank below which embeddings in two or more dimensions count as collapsed. On
    #: the sphere that is a mean cosine of 0.95 in 128 dimensions, of 0.92 in 8.
    collapse_threshold = 1.5

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._add_sum("rank_total")

    def compute(self) -> Tensor:
        """The mean over updates; warns where the encoder has collapsed."""
        rank, value, *_ = self._measured()
        self._warn_of_collapse(rank)
        return value

    def _measured(self) -> tuple[Tensor, ...]:
        """The mean effective rank, NaN before the first update; the value; what goes with it."""
        return self.rank_total / self.num_updates, self._mean(self.total)

    def _watched_form(self) -> Form | None:
        """The form whose Gram may collapse; the definite one of the embeddings where None."""
        return None

    def _watch(self, source: Tensor) -> None:
        self.rank_total = self.rank_total + self._rank(source)

    def _rank(self, source: Tensor) -> Tensor:
        d = source.shape[-1]
        if d == 1:
            return source.new_tensor(self.collapse_threshold).real
        form = self._watched_form()
        rank = functional.effective_rank(source, form)
        if form is None or not hides_collapse(form, d):
            return rank
        return rank.minimum(functional.effective_rank(form.coordinates(source)))

    def _warn_of_collapse(self, rank: Tensor) -> None:
        if rank < self.collapse_threshold:
            form = self._watched_form()
            gram = "" if form is None else f" of their Gram under {form}"
            warnings.warn(
                f"the embeddings have collapsed (effective rank {rank:.2f}{gram}): "
                f"{type(self).__name__} is small for any such encoder and says nothing about "
                "equivariance; report EffectiveRank beside it, and train with more weight on the "
                "contrastive term, or with normalization='relative', which has no minimum there",
                CollapseWarning,
                stacklevel=4,
            )


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
        """The value of ``compute()`` with bootstrap interval and null, over all processes.

        Args:
            level: the share of samples of points whose interval holds the value that the fits have
                on all points there are, strictly between 0 and 1.
        """
        with self.sync_context(dist_sync_fn=self.dist_sync_fn, should_sync=self.sync_on_compute):
            rank, value, replicates, null = self._measured()
        interval = percentile_interval(replicates, level)
        self._warn_of_collapse(rank)
        return Estimate(value, *interval, null)

    def _measured(self) -> tuple[Tensor, ...]:
        means = map(self._mean, (self.replicate_total, self.null_total))
        return *super()._measured(), *means

    def _record(
        self, source: Tensor, terms: Tensor, null: Tensor, statistic: Callable[[Tensor], Tensor]
    ) -> None:
        """Add one transformation: a statistic of the sums of terms of points ``(n, k)``."""
        self._watch(source)
        values = statistic(poisson_sums(terms))
        self.replicate_total = self.replicate_total + values[1:]
        self.null_total = self.null_total + statistic(null.sum(0))
        self._count(values[0])


def check_range(order: int, **sets: Tensor) -> None:
    """Raise ValueError where sums of products of some order would overflow, or vanish.

    No number of single precision is so large or small: only double precision is looked at.
    """
    largest = 10.0 ** (280 // order)
    for name, x in sets.items():
        size = float(x.abs().amax()) if x.dtype in (torch.float64, torch.complex128) else 0.0
        if size != 0 and not 1 / largest <= size <= largest and math.isfinite(size):
            raise ValueError(
                f"{name} must have a largest entry between {1 / largest:.0e} and {largest:.0e}, "
                f"since sums are kept of products of order {order}, got {size:.3g}; multiply all "
                "embeddings by one number, which changes no value"
            )


def shuffled(target: Tensor, seed: int = 0) -> Tensor:
    """Rows in a fixed random order that leaves none of two or more in its place."""
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(target), generator=generator).to(target.device)
    return target[order.roll(1)[order.argsort()]]
