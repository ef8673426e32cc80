"""Isometries of a definite form: O(d), SO(d) and U(n), where the best fit is one SVD away."""

from __future__ import annotations

import torch
from torch import Tensor

from equiform.forms import EuclideanForm
from equiform.groups._base import Fit
from equiform.groups.classical import ClassicalGroup
from equiform.groups.fit.polar import polar_factor
from equiform.groups.moments import Moments, Rounding


class CompactGroup(ClassicalGroup):
    """O(d) or U(n), of a definite form J = ±I: every best fit is in closed form."""

    @property
    def is_compact(self) -> bool:
        """True."""
        return True

    def _polar(self, m: Tensor) -> Tensor:
        """Nearest group element in the Frobenius norm."""
        return polar_factor(m, special=bool(self._pinned))[0]

    def _balance(self, second_moment: Tensor) -> Tensor:
        eye = torch.eye(self.dim, dtype=second_moment.dtype, device=second_moment.device)
        return eye.expand_as(second_moment)

    def _fit(self, moments: Moments, tau: Tensor | None, rounding: Rounding) -> Fit:
        r"""The polar factor of :math:`\sum_i w_i a_i b_i^σ`, of columns; N^t for rows."""
        # With a margin, that groups which contract nothing can afford.
        tol, special = 10 * rounding.cross[..., None], bool(self._pinned)
        t, s = polar_factor(moments.cross.mT, special=special, tol=tol)
        rank = (s.abs() > tol).sum(-1)
        # The minimiser is unique where it is differentiable: all s_i + s_j positive, i ≠ j; for
        # the whole of O(d) or U(n) a vanishing s_d leaves a sign or a phase open as well.
        smallest = s[..., -2:].sum(-1) if special and self.dim > 1 else s[..., -1]
        identifiable = (smallest > tol[..., 0]) | (special and self.dim == 1)
        if tau is not None:
            t, _ = polar_factor(moments.anchored(tau).cross.mT, special=special)
        return t, rank, identifiable


class SpecialOrthogonal(CompactGroup):
    """The rotations SO(d)."""

    _pinned = (1,)

    def __init__(self, d: int) -> None:
        super().__init__(EuclideanForm(), d)
