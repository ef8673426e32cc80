"""The abstract isometry group: the T that preserve a form, and how they are found from points."""

from __future__ import annotations

import abc
from dataclasses import replace

import torch
from torch import Tensor

from equiform._options import check_flag, check_number
from equiform._points import at_least, check_weights
from equiform._precision import full_precision
from equiform.groups._arguments import answer_dtype, check_matrix, check_pairs
from equiform.groups._matrices import MatrixGroup
from equiform.groups._scale import lift, to_unit
from equiform.groups.fit.implicit import on_values
from equiform.groups.moments import Moments, Rounding, mean, trace
from equiform.groups.recovery import (
    Recovery,
    exact_where_open,
    in_coordinates,
    relative_error,
    relative_error_moments,
)

#: The matrix, its rank, and whether it is identifiable; see :class:`Recovery`.
Fit = tuple[Tensor, Tensor, Tensor]


class IsometryGroup(MatrixGroup):
    r"""The group of linear maps :math:`T` with :math:`\langle Tx, Ty\rangle = \langle x, y\rangle`.

    Matrices act on column vectors, as in the paper: f(a x) = T f(x), so rows transform as
    ``x @ T.mT``. The laws, which ``tests/properties`` checks for every group:

    * ``exp`` of the algebra, ``sample`` and ``polar`` land in the group;
    * ``extend(x, x @ T.mT)`` carries ``x`` as T does, for every T of the group and every x;
    * ``component`` is a homomorphism to signs;
    * what is not finite gives NaN, for its item of a batch alone.

    All is computed in float64 and returned in the dtype of the argument, but float32 at least:
    rounded to half precision an isometry is none. Under autocast too.

    Attributes:
        form: the form or joint form that is preserved.
        dim: d, the dimension of the space.
    """

    @full_precision
    def extend(self, source: Tensor, target: Tensor, *, rtol: float | None = None) -> Tensor:
        r"""A group element that carries ``source`` to ``target`` exactly, by Witt's theorem.

        One exists if and only if the Grams agree and so do the linear dependencies of the rows
        (equal Grams alone do not suffice for an indefinite form); of a joint form, on each of its
        slices, and where two forms share one, on each eigenspace of the second.

        Args:
            source, target: points, shape ``(..., n, d)``.
            rtol: relative size below which a singular value counts as zero; by default
                :math:`ε^{2/3}` with ε the machine epsilon of the points.

        Returns:
            T with ``source @ T.mT == target``, shape ``(..., d, d)``; computed in float64, in the
            dtype of the points, but float32 at least. Without a derivative: it is free where the
            points do not span the space, and elsewhere :meth:`recover` gives the same with one.

        Raises:
            DependencyMismatch: no group element does it.
            NotImplementedError: in a compiled graph, which cannot branch on ranks.
        """
        check_pairs(self, source, target)
        rtol = float(torch.finfo(source.dtype).eps ** (2 / 3)) if rtol is None else rtol
        b, a = at_least(torch.float64, source, target)
        scale = to_unit(b, a)
        finite = (b.isfinite() & a.isfinite()).all(dim=(-2, -1))
        b, a = (torch.where(lift(finite, x), x * scale, 0) for x in (b, a))
        rtols = b.real.new_full(b.shape[:-2], check_number("rtol", rtol))
        (t,) = on_values(lambda *given: (self._extend(*given),), b, a, rtols)
        return torch.where(lift(finite, t), t, torch.nan).to(answer_dtype(source))

    @abc.abstractmethod
    def _extend(self, source: Tensor, target: Tensor, rtol: Tensor) -> Tensor:
        """What :meth:`extend` promises, on checked double-precision points; rtol ``(...)``."""

    @full_precision
    def recover(
        self,
        source: Tensor,
        target: Tensor,
        *,
        weights: Tensor | None = None,
        anchor: float = 0.0,
        center: bool = False,
    ) -> Recovery:
        r"""The group element that carries ``source`` to ``target`` best (Wahba's problem).

        .. math:: \min_T \sum_i w_i \lVert a_i - T b_i\rVert^2 + τ \lVert T - I\rVert_F^2

        in the coordinates of the form, :meth:`Form.coordinates <equiform.forms.Form.coordinates>`.
        Computed in float64 and returned in the dtype of ``source``, but float32 at least.
        First and second derivatives, and no higher ones, reach both point sets and the weights and
        are finite everywhere; where ``identifiable`` is False they have no meaning.

        It works under ``vmap`` and all of ``torch.func``. In a compiled or exported graph the
        groups of definite forms do, and :class:`Orthochronous` where it has a closed form (NaN
        elsewhere), but without the last digits of points that leave T open, which Witt's theorem
        gives; groups that are fitted by descent raise NotImplementedError.

        Args:
            source, target: points B and A, shape ``(..., n, d)``.
            weights: w, nonnegative, shape ``(..., n)``.
            anchor: τ in units of the mean of :math:`\sum_i w_i |b_{ij}|^2` over j: pulls T to the
                identity where the data leave it open. For noisy points that span less than the
                space; 0 fits the data alone.
            center: take the weighted mean off both point sets first, so that a translation may
                come with T: :math:`a_i \approx T b_i + c`.

        Returns:
            The fit, whose ``rank`` and ``identifiable`` are those of the data without the anchor.

        Raises:
            ValueError: shapes do not fit, a weight or the anchor is negative. In a graph or under
                ``torch.func`` a negative weight gives NaN.
            NotImplementedError: in a graph, for groups that are fitted by descent.
        """
        check_pairs(self, source, target)
        check_flag("center", center)
        check_number("anchor", anchor)
        eps = max(torch.finfo(x.dtype).eps for x in (source, target))
        b, a = at_least(torch.float64, source, target)
        scale = to_unit(b, a)
        b, a = b * scale, a * scale
        if weights is not None:
            check_weights(weights, source)
            weights = weights.to(b.real.dtype)
            weights = weights * to_unit(weights[..., None])[..., 0]
        if center:
            b, a = (x - mean(x, weights) for x in (b, a))
        moments = replace(Moments.of(b, a, weights), eps=eps)
        matrix, rank, identifiable = self._fit_anchored(moments, anchor)
        if not anchor:
            matrix = exact_where_open(self, matrix, identifiable, b, a, weights, eps)
        residual = relative_error(self.form, a, b @ matrix.mT, weights)
        matrix = matrix.to(answer_dtype(source))
        return Recovery(matrix, residual.to(matrix.real.dtype), rank, identifiable)

    @full_precision
    def recover_moments(self, moments: Moments, *, anchor: float = 0.0) -> Recovery:
        """:meth:`recover` from streamed moments; its residual is rounding below about 1e-8.

        Args:
            moments: of the points, shape ``(..., d, d)``, in float64: of points of norm 1e-150 to
                1e150.
            anchor: as in :meth:`recover`.
        """
        if not isinstance(moments, Moments):
            raise TypeError(f"moments must be Moments.of(source, target), got {moments!r}")
        check_matrix(self, moments.source, "moments.source")
        check_number("anchor", anchor)
        # A common factor changes neither the fit nor its error.
        scale = to_unit(moments.source, moments.target)
        sets = {name: getattr(moments, name) * scale for name in ("source", "cross", "target")}
        moments = replace(moments, **sets)
        matrix, rank, identifiable = self._fit_anchored(moments, anchor)
        residual = relative_error_moments(self.form, moments, matrix)
        return Recovery(matrix, residual, rank, identifiable)

    @abc.abstractmethod
    def _fit(self, moments: Moments, tau: Tensor | None, rounding: Rounding) -> Fit:
        """What :meth:`recover` promises; τ of shape ``(...)``."""

    def _fit_anchored(self, moments: Moments, anchor: float) -> Fit:
        """NaN, of rank 0, where moments are not finite."""
        finite = torch.stack([m.isfinite().all((-2, -1)) for m in moments.parts[:3]]).all(0)
        moments = moments.map(lambda m: torch.where(lift(finite, m), m, 0))
        tau = None
        if anchor:
            tau = anchor * trace(in_coordinates(self.form, moments).source) / self.dim
        matrix, rank, identifiable = self._fit(moments, tau, Rounding.of(moments))
        matrix = torch.where(lift(finite, matrix), matrix, torch.nan)
        return matrix, rank, identifiable & finite
