"""Errors of fitted group elements: of one, and of how the fits of several compose."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from equiform.forms import EuclideanForm, HermitianForm, sigma
from equiform.groups import IsometryGroup


class SupportsDistance(Protocol):
    """A geometry that measures how far apart points are; every equiform manifold is one."""

    def dist(self, x: Tensor, y: Tensor) -> Tensor:
        """Geodesic distance, ``(..., d), (..., d) -> (...)``."""
        ...


def wahba_error(
    source: Tensor,
    target: Tensor,
    group: IsometryGroup | None = None,
    *,
    held_out: tuple[Tensor, Tensor] | None = None,
    manifold: SupportsDistance | None = None,
) -> Tensor:
    r"""W_f: relative error :math:`\min_T \lVert A - B T^t\rVert_F / \lVert A\rVert_F` over a group.

    Zero for a perfectly equivariant encoder, but for a collapsed one too: read it beside
    :func:`effective_rank`.

    Args:
        source, target: embeddings B = f(x) and A = f(a x), shape ``(..., n, d)``.
        group: where T is sought; O(d), or U(d) for complex embeddings, unless given.
        held_out: other points ``(source, target)`` on which to measure the T that was fitted.
        manifold: on which the embeddings lie and which T maps to itself; the result is then the
            root mean square of the geodesic distance between the rows of A and :math:`B T^t`, and
            no ratio. A norm of points of a hyperboloid depends on where its origin is.

    Returns:
        Shape ``(...)``.

    Source: Gupta et al., ICLR 2024, §4, W_f, divided by the norm of A.
    """
    if group is None:
        form = HermitianForm() if source.is_complex() else EuclideanForm()
        group = form.isometry_group(source.shape[-1])
    fit = group.recover(source, target)
    b, a = (source, target) if held_out is None else held_out
    return root_ratio(wahba_terms(b, a, fit.matrix, manifold).sum(-2)).to(source.real.dtype)


def composition_defect(
    source: Tensor,
    first: Tensor,
    second: Tensor,
    both: Tensor,
    group: IsometryGroup,
    *,
    held_out: Tensor | None = None,
    manifold: SupportsDistance | None = None,
) -> Tensor:
    r"""How far fitted elements are from composing as the transformations do.

    .. math:: \lVert F (T_{a'} T_a - T_{a'a})^t\rVert_F / \lVert F\rVert_F

    with each T the best fit from f(x), after all embeddings were moved by the group element that
    makes the norm of F smallest. For a compact group that is the identity; for the others it takes
    out the choice of frame, so that one isometry of all embeddings changes nothing. Zero for an
    equivariant encoder (ρ is a homomorphism), and for a collapsed or an invariant one.

    Args:
        source, first, second, both: f(x), f(a x), f(a' x) and f(a'(a x)), shape ``(n, d)``.
        group: where the T are sought.
        held_out: F, other f(x) on which to measure; ``source`` unless given.
        manifold: as in :func:`wahba_error`: the root mean square of the geodesic distance between
            the rows of :math:`F (T_{a'} T_a)^t` and :math:`F T_{a'a}^t`.

    Returns:
        A scalar.

    Source: Gupta et al., ICLR 2024, Corollary 1.
    """
    points = source if held_out is None else held_out
    terms = composition_terms(points, source, first, second, both, group, manifold)
    return root_ratio(terms.sum(-2)).to(source.real.dtype)


def wahba_terms(
    source: Tensor, target: Tensor, matrix: Tensor, manifold: SupportsDistance | None
) -> Tensor:
    """Squared error of each point and what it is relative to, ``(..., n, 2)`` in float64."""
    b, a, t = map(_double, (source, target, matrix))
    fitted = b @ t.mT
    if manifold is not None:
        return _squared_distances(manifold, a, fitted)
    return torch.stack([_energy(a - fitted), _energy(a)], -1)


def composition_terms(
    points: Tensor,
    source: Tensor,
    first: Tensor,
    second: Tensor,
    both: Tensor,
    group: IsometryGroup,
    manifold: SupportsDistance | None,
) -> Tensor:
    """As :func:`wahba_terms`, of the defect at each of the points."""
    f = _double(points)
    # The fits are least squares, and so depend on the frame as well: all is done in that of h.
    h = group.balance(sigma(f) @ f).to(source.dtype)
    t, t_second, t_both = (
        _double(group.recover(source @ h, target @ h).matrix) for target in (first, second, both)
    )
    f = _double(points @ h)
    composed, direct = f @ (t_second @ t).mT, f @ t_both.mT
    if manifold is not None:
        return _squared_distances(manifold, composed, direct)
    return torch.stack([_energy(composed - direct), _energy(f)], -1)


def root_ratio(sums: Tensor) -> Tensor:
    """Root of the quotient of two sums, ``(..., 2) -> (...)``, not divided where the second is 0.

    Its gradient is zero, not NaN, where the first is.
    """
    error, energy = sums.unbind(-1)
    squared = torch.where(energy > 0, error / energy.where(energy > 0, 1), error)
    return torch.where(squared > 0, squared.where(squared > 0, 1).sqrt(), 0)


def _squared_distances(manifold: SupportsDistance, x: Tensor, y: Tensor) -> Tensor:
    squared = manifold.dist(x, y).square()
    return torch.stack([squared, torch.ones_like(squared)], -1)


def _energy(x: Tensor) -> Tensor:
    return x.abs().square().sum(-1)


def _double(x: Tensor) -> Tensor:
    return x.to(torch.promote_types(x.dtype, torch.float64))
