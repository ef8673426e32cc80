"""Errors of fitted group elements: of one, and of how the fits of several compose."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from equiform._options import check_flag
from equiform._points import at_least, check_points, real_dtype, squared_modulus
from equiform.forms import Form, sigma
from equiform.functional._arguments import (
    SupportsDistance,
    check_group_of,
    check_manifold,
    form_for,
    form_of,
)
from equiform.functional._scale import common_unit, over
from equiform.groups import IsometryGroup


def wahba_error(
    source: Tensor,
    target: Tensor,
    group: IsometryGroup | None = None,
    *,
    held_out: bool = True,
    form: Form | None = None,
    manifold: SupportsDistance | None = None,
) -> Tensor:
    r"""W_f: relative error :math:`\min_T \lVert A - B T^t\rVert_F / \lVert A\rVert_F` over a group.

    Zero for a perfectly equivariant encoder, but for a collapsed one too: read it beside
    :func:`effective_rank`.

    Args:
        source, target: embeddings B = f(x) and A = f(a x), shape ``(..., n, d)``.
        group: where T is sought; that of the form or manifold, or else O(d), or U(d) for
            complex embeddings, unless given.
        held_out: fit T to every other point, from the first, and measure it on the rest, so that
            a fit with as many parameters as data cannot look good; False fits and measures on all.
        form: the product that T preserves, in place of its group.
        manifold: on which the embeddings lie and which T maps to itself; the result is then the
            root mean square of the geodesic distance between the rows of A and :math:`B T^t`, and
            no ratio. A norm of points of a hyperboloid depends on where its origin is.

    Returns:
        Shape ``(...)``; where A is zero the numerator alone, NaN where they are not finite.
        Differentiable as far as :meth:`group.recover <equiform.IsometryGroup.recover>` is, but in a
        compiled or exported graph, where it raises NotImplementedError.

    Source: Gupta et al., ICLR 2024, §4, W_f, divided by the norm of A.
    """
    fit = Fit(group, held_out, form, manifold)
    check_points(source=source, target=target)
    return root_ratio(fit.errors(source, target).sum(-2)).to(real_dtype(source, target))


def composition_defect(
    source: Tensor,
    first: Tensor,
    second: Tensor,
    both: Tensor,
    group: IsometryGroup | None = None,
    *,
    held_out: bool = True,
    form: Form | None = None,
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
        group: where the T are sought, as in :func:`wahba_error`.
        held_out: fit each T to every other point, from the first, and let F be the rest of f(x);
            False takes all points for both.
        form, manifold: as in :func:`wahba_error`; with a manifold, the root mean square of the
            geodesic distance between the rows of :math:`F (T_{a'} T_a)^t` and
            :math:`F T_{a'a}^t`.

    Source: Gupta et al., ICLR 2024, Corollary 1.
    """
    fit = Fit(group, held_out, form, manifold)
    check_points("(n, d)", source=source, first=first, second=second, both=both)
    sets = source, first, second, both
    return root_ratio(fit.defects(*sets).sum(-2)).to(real_dtype(*sets))


@dataclass(frozen=True)
class Fit:
    """Where group elements are sought, on which points, and how far points are apart."""

    group: IsometryGroup | None
    held_out: bool
    form: Form | None
    manifold: SupportsDistance | None

    def __post_init__(self) -> None:
        needed = ("dist", "isometry_group") if self.group is None else ("dist",)
        check_manifold(self.manifold, *needed)
        if self.form is not None:
            form_of(self.form, self.manifold)  # type: ignore[arg-type]
        check_group_of(self.group, self.form, self.manifold)
        check_flag("held_out", self.held_out)

    def errors(self, source: Tensor, target: Tensor) -> Tensor:
        """Terms of the fit of source to target; see :func:`wahba_terms`."""
        group, fit, rest = self._where(source)
        finite, unit, b, a = self._prepared(torch.float32, source, target)
        matrix = group.recover(b[..., fit, :], a[..., fit, :]).matrix
        # A is measured in a unit of its own, for beside B it may be too small to be squared.
        b, a, t = at_least(
            torch.float64, b[..., rest, :], target[..., rest, :].where(finite, 0), matrix
        )
        unit = unit.double()
        own = common_unit(a) if self.manifold is None else torch.ones_like(unit)
        a, ratio = over(a, unit), unit / own
        error, size = _terms(a, b @ t.mT, a * ratio, self.manifold, group.form).split(1, -1)
        error = torch.where(error == 0, 0, error * ratio.square())
        return torch.cat([error, size], -1).where(finite, torch.nan)

    def defects(self, *points: Tensor) -> Tensor:
        """As :meth:`errors`, of the defect of source, first, second and both."""
        group, fit, rest = self._where(points[0])
        finite, _, *sets = self._prepared(torch.float64, *points)
        f = sets[0][rest]
        # The fits are least squares, and so depend on the frame as well: all is done in that of h.
        h = group.balance(sigma(f) @ f)
        # With the digits that the embeddings have, of which the rank of a fit is a matter.
        digits = at_least(torch.float32, *points)[0].dtype
        b, *targets = ((x[fit] @ h).to(digits) for x in sets)
        t, t_second, t_both = (group.recover(b, a).matrix.to(h.dtype) for a in targets)
        f = f @ h
        terms = _terms(f @ (t_second @ t).mT, f @ t_both.mT, f, self.manifold, group.form)
        return terms.where(finite, torch.nan)

    def _prepared(self, dtype: torch.dtype, *points: Tensor) -> list[Tensor]:
        """Which sets are finite, ``(..., 1, 1)``, a unit, and points in it; 0 where not finite.

        No common factor changes a ratio, so that squares are kept in range.
        """
        finite = torch.stack([x.isfinite().all(-1).all(-1) for x in points]).all(0)[..., None, None]
        sets = [x.where(finite, 0) for x in at_least(dtype, *points)]
        unit = common_unit(*sets)
        unit = torch.ones_like(unit) if self.manifold is not None else unit
        return [finite, unit, *(over(x, unit) for x in sets)]

    def _where(self, source: Tensor) -> tuple[IsometryGroup, slice, slice]:
        """The group that is meant, and which rows are fitted and which measured."""
        if torch.compiler.is_compiling():
            raise NotImplementedError(
                "W_f and the composition defect make and check a group, which no graph can follow; "
                "call them outside of torch.compile and torch.export"
            )
        n, d = source.shape[-2:]
        if self.held_out and n < 2:
            raise ValueError(
                f"held_out=True needs at least two points to hold one out, got n={n}; use "
                "held_out=False to measure on the points that are fitted"
            )
        step = 2 if self.held_out else 1
        check_group_of(self.group, None, None, d=d)
        group = self.group
        if group is None:
            geometry = form_for(source, self.form, None) if self.manifold is None else self.manifold
            group = geometry.isometry_group(d)  # type: ignore[union-attr]
        return group, slice(None, None, step), slice(step - 1, None, step)


def wahba_terms(
    source: Tensor,
    target: Tensor,
    matrix: Tensor,
    manifold: SupportsDistance | None,
    form: Form | None,
) -> Tensor:
    """Squared error of each point and what it is relative to, ``(..., n, 2)`` in float64."""
    b, a, t = at_least(torch.float64, source, target, matrix)
    return _terms(a, b @ t.mT, a, manifold, form)


def root_ratio(sums: Tensor) -> Tensor:
    """Root of the quotient of two sums, ``(..., 2) -> (...)``, not divided where the second is 0.

    Its gradient is zero, not NaN, where the first is.
    """
    error, energy = sums.unbind(-1)
    squared = error / energy.where(energy != 0, 1)
    return torch.where(squared == 0, 0, squared.where(squared != 0, 1).sqrt())


def _terms(
    x: Tensor, y: Tensor, unit: Tensor, manifold: SupportsDistance | None, form: Form | None
) -> Tensor:
    """Squared distances of rows, and 1; or squared lengths of x - y and of the unit in a form."""
    if manifold is not None:
        squared = manifold.dist(x, y).square()
        return torch.stack([squared, torch.ones_like(squared)], -1)
    rows = (z if form is None else form.coordinates(z) for z in (x - y, unit))
    return torch.stack([squared_modulus(z).sum(-1) for z in rows], -1)
