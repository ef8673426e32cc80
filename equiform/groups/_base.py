"""The abstract isometry group: what can be done with the T that preserve a form."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from equiform._options import check_flag, check_number
from equiform._points import at_least
from equiform.forms import Form
from equiform.groups._arguments import check_dtype, check_matrix, check_pairs, check_sampling
from equiform.groups._matrix_exp import matrix_exp
from equiform.groups.moments import Moments, Rounding, mean, trace
from equiform.groups.recovery import (
    Recovery,
    exact_where_open,
    in_coordinates,
    relative_error,
    relative_error_moments,
)

Device = torch.device | str | None
Signs = Sequence[int] | None
#: The matrix, its rank, and whether it is identifiable; see :class:`Recovery`.
Fit = tuple[Tensor, Tensor, Tensor]


class IsometryGroup(abc.ABC):
    r"""The group of linear maps :math:`T` with :math:`\langle Tx, Ty\rangle = \langle x, y\rangle`.

    Matrices act on column vectors, as in the paper: f(a x) = T f(x), so rows transform as
    ``x @ T.mT``. The laws, which ``tests/properties`` checks for every group:

    * ``exp`` of the algebra, ``sample`` and ``polar`` land in the group;
    * ``extend(x, x @ T.mT)`` carries ``x`` as T does, for every T of the group and every x;
    * ``component`` is a homomorphism to signs.

    Attributes:
        form: the form or joint form that is preserved.
        dim: d, the dimension of the space.
    """

    form: Form
    dim: int

    @property
    def dtype(self) -> torch.dtype:
        """The dtype in which group elements are made unless another is asked for."""
        default = torch.get_default_dtype()
        return default.to_complex() if self.form.sesquilinear else default

    @property
    def condition(self) -> float:
        """By how much the basis of the form magnifies rounding; 1 in a standard one."""
        return 1.0

    @property
    def is_compact(self) -> bool:
        """Whether all elements are orthogonal or unitary in the form's coordinates."""
        return False

    @property
    @abc.abstractmethod
    def num_signs(self) -> int:
        """How many signs tell the connected components apart; there are 2 to this power."""

    def algebra_basis(self, *, dtype: torch.dtype | None = None, device: Device = None) -> Tensor:
        r"""Orthonormal basis of the Lie algebra :math:`\{X : X^* = -X\}`, shape ``(k, d, d)``."""
        dtype = self.dtype if dtype is None else dtype
        check_dtype(self, dtype, "dtype")
        return self._basis().to(device, dtype)

    @abc.abstractmethod
    def _basis(self) -> Tensor:
        """:meth:`algebra_basis` in double precision."""

    @abc.abstractmethod
    def project_algebra(self, m: Tensor) -> Tensor:
        """Frobenius-nearest element of the Lie algebra, shape ``(..., d, d)``."""

    def exp(self, xi: Tensor) -> Tensor:
        """Matrix exponential of Lie-algebra elements, shape ``(..., d, d)``.

        It reaches the identity component only, and for Sp(2m, R) and O(p, q) with p, q ≥ 2
        not all of that.
        """
        check_matrix(self, xi, "xi")
        return matrix_exp(xi)

    def sample(
        self,
        *batch: int,
        rapidity: float | Tensor = 1.0,
        component: Sequence[int] | None = None,
        generator: torch.Generator | None = None,
        dtype: torch.dtype | None = None,
        device: Device = None,
    ) -> Tensor:
        r"""Random elements T = K exp(X): K Haar on the maximal compact subgroup, X symmetric.

        Args:
            batch: leading shape of the result.
            rapidity: spectral norm of X, so that :math:`\lVert T\rVert_2 = e^{\text{rapidity}}`;
                without effect on compact groups. Broadcasts against ``batch``.
            component: the signs of :meth:`component`; all components alike unless given.
            generator: source of randomness.
            dtype, device: of the result.

        Returns:
            Shape ``(*batch, d, d)``.
        """
        dtype = self.dtype if dtype is None else dtype
        check_dtype(self, dtype, "dtype")
        signs = check_sampling(self, batch, rapidity, component)
        t = self._sample(batch, rapidity, signs, generator=generator, device=device)
        return t.to(dtype)

    @abc.abstractmethod
    def _sample(
        self, batch: tuple[int, ...], rapidity: float | Tensor, signs: Signs, **source: Any
    ) -> Tensor:
        """:meth:`sample` in double precision; ``source`` are the options of torch's generators."""

    @abc.abstractmethod
    def component(self, t: Tensor) -> Tensor:
        """Signs ±1 of the connected component of t, ``(..., d, d) -> (..., num_signs)``."""

    @abc.abstractmethod
    def residual(self, t: Tensor) -> Tensor:
        r"""How far t is from the group, :math:`\lVert t^σJt - J\rVert_F / \lVert t\rVert_2^2`.

        Relative, because a boost of rapidity η magnifies rounding by e^{2η}. Shape ``(...)``.
        """

    def contains(self, t: Tensor, rtol: float | None = None) -> Tensor:
        """Whether ``t`` is in the group, up to ``rtol`` on :meth:`residual`; shape ``(...)``, bool.

        It is 100 d :attr:`condition` times the machine epsilon of ``t``, and 0.05 at the most,
        unless given.
        """
        check_matrix(self, t, "t")
        if rtol is None:
            rtol = min(100 * self.dim * torch.finfo(t.dtype).eps * self.condition, 0.05)
        return self.residual(t) <= rtol

    @abc.abstractmethod
    def polar(self, m: Tensor) -> Tensor:
        r"""Generalised polar factor T of m = T S, with T in the group and :math:`S^* = S`.

        For a definite form it is the element nearest in the form's coordinates.
        Shape ``(..., d, d)``.

        Raises:
            ValueError: a matrix has no polar factor (:math:`m^* m` singular, or with negative
                eigenvalues).
        """

    @abc.abstractmethod
    def balance(self, second_moment: Tensor) -> Tensor:
        r"""The group element h that makes :math:`\lVert B h\rVert_F` smallest (rows, x ↦ x h).

        Embeddings are known up to one isometry; in this gauge their Frobenius norms mean the same
        whichever it was. The identity for compact groups, which leave norms alone.

        Args:
            second_moment: :math:`B^σ B`, shape ``(..., d, d)``; directions without data are given
                a billionth of the mean.

        Returns:
            A positive definite isometry, shape ``(..., d, d)``.
        """

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
            T with ``source @ T.mT == target``, shape ``(..., d, d)``; computed in float64.

        Raises:
            DependencyMismatch: no group element does it.
        """
        check_pairs(self, source, target)
        rtol = float(torch.finfo(source.dtype).eps ** (2 / 3)) if rtol is None else rtol
        b, a = at_least(torch.float64, source, target)
        return self._extend(b, a, b.real.new_full(b.shape[:-2], rtol)).to(source.dtype)

    @abc.abstractmethod
    def _extend(self, source: Tensor, target: Tensor, rtol: Tensor) -> Tensor:
        """What :meth:`extend` promises, on checked double-precision points; rtol ``(...)``."""

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
        Computed in float64 and returned in the dtype of ``source``. Gradients reach both point
        sets and are finite everywhere; where ``identifiable`` is False they have no meaning.

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
            ValueError: shapes do not fit, a weight or the anchor is negative.
        """
        check_pairs(self, source, target)
        check_flag("center", center)
        check_number("anchor", anchor)
        if center:
            source, target = (x - mean(x, weights) for x in (source, target))
        moments = Moments.of(source, target, weights)
        matrix, rank, identifiable = self._fit_anchored(moments, anchor)
        matrix = matrix.to(source.dtype)
        root = 1 if weights is None else weights.to(source.real.dtype).sqrt()[..., None]
        residual = relative_error(self.form, target * root, source @ matrix.mT * root)
        residual = residual.to(source.real.dtype)
        fit = Recovery(matrix, residual, rank, identifiable)
        if anchor or identifiable.all():
            return fit
        return exact_where_open(self, fit, source * root, target * root)

    def recover_moments(self, moments: Moments, *, anchor: float = 0.0) -> Recovery:
        """:meth:`recover` from streamed moments; its residual is rounding below about 1e-8.

        Args:
            moments: of the points, shape ``(..., d, d)``.
            anchor: as in :meth:`recover`.
        """
        if not isinstance(moments, Moments):
            raise TypeError(f"moments must be Moments.of(source, target), got {moments!r}")
        check_matrix(self, moments.source, "moments.source")
        check_number("anchor", anchor)
        matrix, rank, identifiable = self._fit_anchored(moments, anchor)
        residual = relative_error_moments(self.form, moments, matrix)
        return Recovery(matrix, residual, rank, identifiable)

    @abc.abstractmethod
    def _fit(self, moments: Moments, tau: Tensor | None, rounding: Rounding) -> Fit:
        """What :meth:`recover` promises; τ of shape ``(...)``."""

    def _fit_anchored(self, moments: Moments, anchor: float) -> Fit:
        tau = None
        if anchor:
            tau = anchor * trace(in_coordinates(self.form, moments).source) / self.dim
        return self._fit(moments, tau, Rounding.of(moments))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.form!r}, d={self.dim})"
