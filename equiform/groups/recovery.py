"""What a fit gives: the group element, how well it fits, and whether there is only one."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from equiform.forms import Form
from equiform.groups.moments import Moments

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


def relative_error(form: Form, a: Tensor, fitted: Tensor) -> Tensor:
    r""":math:`\lVert A - F\rVert / \lVert A\rVert` in the form's coordinates; 0 / 0 is 0."""
    difference, norm = (torch.linalg.matrix_norm(form.coordinates(x)) for x in (a - fitted, a))
    return torch.where(norm > 0, difference / norm.where(norm > 0, 1), difference)


def exact_where_open(
    group: IsometryGroup, fit: Recovery, source: Tensor, target: Tensor
) -> Recovery:
    """The fit, made exact where points that span less than the space allow it.

    Descent need not end where the residual is zero, since it may be so along a whole flat
    valley; Witt's theorem says whether there is such an isometry, and which.
    """
    matrix, residual = fit.matrix.clone(), fit.residual.clone()
    rounding = 1e3 * group.dim * torch.finfo(source.dtype).eps
    for index in (~fit.identifiable & (residual > rounding)).nonzero().tolist():
        where = tuple(index)
        b, a = source[where].detach(), target[where].detach()
        try:
            # Where Grams agree only nearly, so is the extension only nearly in the group.
            exact = group.polar(group.extend(b, a))
        except ValueError:
            continue
        error = relative_error(group.form, a, b @ exact.mT)
        if error < residual[where]:
            matrix[where], residual[where] = exact, error.to(residual.dtype)
    return Recovery(matrix, residual, fit.rank, fit.identifiable)


def in_coordinates(form: Form, moments: Moments) -> Moments:
    """Moments of the points in the form's coordinates."""
    frame = form.frame(moments.dim)
    return moments if frame is None else moments.in_frame(frame.to(moments.source.device).conj())


def relative_error_moments(form: Form, moments: Moments, matrix: Tensor) -> Tensor:
    """:func:`relative_error` of points and what T makes of them, from their moments."""
    return in_coordinates(form, moments).relative_error(form.on_coordinates(matrix))
