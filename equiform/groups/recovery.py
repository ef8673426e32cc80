"""What a fit gives: the group element, how well it fits, and whether there is only one."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from equiform._points import squared_modulus, values
from equiform.forms import Form
from equiform.groups._scale import to_unit
from equiform.groups.fit.implicit import on_values
from equiform.groups.moments import Moments, root

if TYPE_CHECKING:
    from equiform.groups._base import IsometryGroup


class DependencyMismatch(ValueError):  # noqa: N818 - the field's name, and the public one
    """No group element carries source to target: their dependencies or Grams differ."""


class Recovery(NamedTuple):
    r"""The group element that carries one set of points to another best.

    Attributes:
        matrix: T, acting on columns (rows transform as ``x @ T.mT``), shape ``(..., d, d)``.
        residual: :math:`\lVert A - B T^t\rVert_F / \lVert A\rVert_F`, rows weighted where the fit
            was, in the coordinates of the form, shape ``(...)``.
        rank: numerical rank of what ties T down, shape ``(...)``: the cross-moment of the points
            for compact groups, the lesser of the ranks of source and target for others.
        identifiable: whether the points leave one T only, shape ``(...)``. On a group that is not
            compact a best T need not exist, where points can be carried ever closer by ever larger
            rapidities; T is then one that comes close.
    """

    matrix: Tensor
    residual: Tensor
    rank: Tensor
    identifiable: Tensor


def relative_error(form: Form, a: Tensor, fitted: Tensor, weights: Tensor | None) -> Tensor:
    r""":math:`\lVert A - F\rVert_W / \lVert A\rVert_W` in the form's coordinates; 0 / 0 is 0."""
    scale = to_unit(a)
    scaled = (a - fitted) * scale, a * scale
    squares = [squared_modulus(form.coordinates(x)).sum(-1) for x in scaled]
    difference, energy = (s.sum(-1) if weights is None else (weights * s).sum(-1) for s in squares)
    return root(difference / energy.where(energy != 0, 1))


def exact_where_open(
    group: IsometryGroup,
    matrix: Tensor,
    identifiable: Tensor,
    source: Tensor,
    target: Tensor,
    weights: Tensor | None,
    eps: float,
) -> Tensor:
    """The fit, made exact where points of rounding ``eps`` that leave it open allow it.

    Descent need not end where the residual is zero, since it may be so along a whole flat
    valley; Witt's theorem says whether there is such an isometry, and which.
    """
    residual = relative_error(group.form, target, source @ matrix.mT, weights)
    wanted = values(~identifiable & (residual > 1e3 * group.dim * eps))
    if wanted is None or not wanted.any():
        return matrix
    if weights is not None:
        scale = weights.detach().sqrt()[..., None]
        source, target = source * scale, target * scale

    def improved(*batch: Tensor) -> tuple[Tensor]:
        matrix, residual, identifiable, source, target = batch
        exact = matrix.clone()
        for index in (~identifiable & (residual > 1e3 * group.dim * eps)).nonzero().tolist():
            where = tuple(index)
            b, a = source[where], target[where]
            try:
                # Where Grams agree only nearly, so is the extension only nearly in the group.
                t = group.polar(group.extend(b, a, rtol=eps ** (2 / 3)))
            except ValueError:
                continue
            if relative_error(group.form, a, b @ t.mT, None) < residual[where]:
                exact[where] = t
        return (exact,)

    (exact,) = on_values(improved, matrix, residual, identifiable, source, target)
    return torch.where((exact != matrix).any(-1).any(-1)[..., None, None], exact, matrix)


def in_coordinates(form: Form, moments: Moments) -> Moments:
    """Moments of the points in the form's coordinates."""
    frame = form.frame(moments.dim)
    return moments if frame is None else moments.in_frame(frame.to(moments.source.device).conj())


def relative_error_moments(form: Form, moments: Moments, matrix: Tensor) -> Tensor:
    """:func:`relative_error` of points and what T makes of them, from their moments."""
    return in_coordinates(form, moments).relative_error(form.on_coordinates(matrix))
