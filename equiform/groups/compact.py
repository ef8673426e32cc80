"""Isometries of a definite form: O(d), SO(d) and U(n), where the best fit is one SVD away."""

from __future__ import annotations

import torch
from torch import Tensor

from equiform.forms import EuclideanForm
from equiform.groups._base import Recovery, relative_error
from equiform.groups.classical import ClassicalGroup
from equiform.groups.polar import polar_factor


class CompactGroup(ClassicalGroup):
    """O(d) or U(n): every polar factor exists and Wahba's problem has a closed form.

    Args:
        form: a definite form, J = ±I.
        d: the dimension.
    """

    @property
    def _special(self) -> bool:
        return bool(self._pinned)

    def polar(self, m: Tensor) -> Tensor:
        """Nearest group element in the Frobenius norm, differentiable in ``m``."""
        self._check_matrix(m, "m")
        return polar_factor(m, special=self._special)[0]

    def recover(self, source: Tensor, target: Tensor, *, weights: Tensor | None = None) -> Recovery:
        r"""Best fit: the polar factor of :math:`\sum_i w_i a_i b_i^σ`; see the base class.

        Computed in float64 and returned in the dtype of ``source``. Gradients reach both point
        sets and are finite everywhere; where ``identifiable`` is False they have no meaning.
        """
        self._check_points(source, target)
        work = torch.promote_types(source.dtype, torch.float64)
        b, a = source.to(work), target.to(work)
        if weights is not None:
            if weights.shape != source.shape[:-1] or (weights < 0).any():
                raise ValueError(
                    f"weights must be nonnegative of shape {tuple(source.shape[:-1])}, "
                    f"got shape {tuple(weights.shape)}"
                )
            root = weights.to(b.real.dtype).sqrt()[..., None]
            b, a = b * root, a * root
        # Columns: T maximises Re tr(T^σ Σ a b^σ) with a, b columns, that is A^t conj(B) for rows.
        t, s = polar_factor(a.mT @ b.conj(), special=self._special)
        residual = relative_error(a, b @ t.mT)
        tol = self.dim * torch.finfo(source.dtype).eps * s[..., :1]
        rank = (s.abs() > tol).sum(-1)
        # The minimiser is unique where it is differentiable: all s_i + s_j positive, i ≠ j; for
        # the whole of O(d) or U(n) a vanishing s_d leaves a sign or a phase open as well.
        smallest = s[..., -2:].sum(-1) if self._special and self.dim > 1 else s[..., -1]
        identifiable = smallest > tol[..., 0]
        if self._special and self.dim == 1:
            identifiable = torch.ones_like(identifiable)
        return Recovery(t.to(source.dtype), residual.to(source.real.dtype), rank, identifiable)


class SpecialOrthogonal(CompactGroup):
    """The rotations SO(d).

    Args:
        d: the dimension.
    """

    _pinned = (1,)

    def __init__(self, d: int) -> None:
        super().__init__(EuclideanForm(), d)
