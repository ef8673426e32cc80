"""Moments of many transformations, gathered over batches, and the fits that they determine."""

import torch
from torch import Tensor

from equiform.groups import IsometryGroup, Moments
from equiform.groups.recovery import relative_error_moments
from equiform.metrics._base import shuffled


def moments_shape(k: int, group: IsometryGroup) -> tuple[int, ...]:
    """Of the state: transformation, fitted or held out, true or shuffled pairs; P, N, Q; parts."""
    return k, 2, 2, 3, group.dim, group.dim, 2 if group.form.sesquilinear else 1


def add_batch(
    moments: Tensor, points: Tensor, source: Tensor, target: Tensor, *, held_out: bool
) -> None:
    """Add the points of a batch to the moments of its transformation, and their number.

    Every other point, over all batches, goes to the half that is held out, if one is.
    """
    first = int(points[:, 0].sum()) % 2
    halves = [slice(first, None, 2), slice(1 - first, None, 2)] if held_out else [slice(None)]
    # One point alone cannot be shuffled.
    pairs = [target, shuffled(target)] if len(target) > 1 else [target]
    for kind, other in enumerate(pairs):
        for half, rows in enumerate(halves):
            own = Moments.of(source[rows], other[rows])
            parts = torch.view_as_real(torch.stack(own.parts[:3]) + 0j)
            moments[half, kind] += parts[..., : moments.shape[-1]]
            points[half, kind] += own.weight


def writable(state: Tensor) -> Tensor:
    """A state that may be written to; torch locks what was made in inference mode outside of it."""
    locked = state.is_inference() and not torch.is_inference_mode_enabled()
    return state.clone() if locked else state


def streamed_fits(
    moments: Tensor, points: Tensor, group: IsometryGroup, *, held_out: bool, eps: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Fit every transformation that had points, and its shuffled pairs, and measure on the rest.

    Points had a dtype of machine epsilon ``eps``.

    Returns:
        Errors and those of shuffled pairs, shape ``(k,)``, NaN where there were none and where
        points were not finite; how many points were fitted; d rows with the second moment of all
        points before, ``(k, d, d)``.

    Raises:
        ValueError: a transformation had a single point and none to hold out.
    """
    number = points[:, :, 0].sum(-1)
    if held_out and (number == 1).any():
        raise ValueError(
            f"transformation {number.tolist().index(1)} has had n=1 point and needs two to hold "
            "one out; give it more, or use held_out=False"
        )
    # A factorisation of NaN raises an error for all.
    finite = moments.isfinite().flatten(1).all(1)
    moments = moments.where(finite.view(-1, *[1] * 6), 0)
    parts = torch.view_as_complex(moments) if group.form.sesquilinear else moments[..., 0]
    # Of the fitted half and, where there is one, of the other.
    had = number > 0
    (p, n, q), points, finite = parts[had].unbind(3), points[had], finite[had, None]
    sides = range(1 + held_out)
    halves = [Moments(p[:, i], n[:, i], q[:, i], points[:, i], eps) for i in sides]
    fit, rest = halves[0], halves[-1]
    errors = relative_error_moments(group.form, rest, group.recover_moments(fit).matrix)
    errors = errors.where(finite, torch.nan)
    energy, directions = torch.linalg.eigh(p[:, :, 0].sum(1))
    rows = energy.clamp_min(0).sqrt()[..., None] * directions.mH
    null = errors[:, 1].where(rest.weight[:, 1] > 0, torch.nan)
    return errors[:, 0], null, fit.weight[:, 0], rows.where(finite[..., None], torch.nan)
