"""The abstract isometry group: what can be done with the T that preserve a form."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from equiform.forms import Form
from equiform.groups._matrix_exp import matrix_exp
from equiform.groups.moments import Moments, trace


class DependencyMismatch(ValueError):  # noqa: N818 - the field's name, and the public one
    """No group element carries source to target: their dependencies or Grams differ."""


class Recovery(NamedTuple):
    r"""The group element that carries one set of points to another best.

    Attributes:
        matrix: T, acting on columns (rows transform as ``x @ T.mT``), shape ``(..., d, d)``.
        residual: :math:`\lVert A - B T^t\rVert_F / \lVert A\rVert_F`, rows weighted where the fit
            was, shape ``(...)``.
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


def relative_error(a: Tensor, fitted: Tensor) -> Tensor:
    r""":math:`\lVert A - F\rVert_F / \lVert A\rVert_F` of matrices, not divided where A = 0."""
    difference, norm = torch.linalg.matrix_norm(a - fitted), torch.linalg.matrix_norm(a)
    return torch.where(norm > 0, difference / norm.where(norm > 0, 1), difference)


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
    @abc.abstractmethod
    def num_signs(self) -> int:
        """How many signs tell the connected components apart; there are 2 to this power."""

    @abc.abstractmethod
    def algebra_basis(
        self, *, dtype: torch.dtype | None = None, device: torch.device | str | None = None
    ) -> Tensor:
        r"""Orthonormal basis of the Lie algebra :math:`\{X : X^* = -X\}`, shape ``(k, d, d)``."""

    @abc.abstractmethod
    def project_algebra(self, m: Tensor) -> Tensor:
        """Frobenius-nearest element of the Lie algebra, shape ``(..., d, d)``."""

    def exp(self, xi: Tensor) -> Tensor:
        """Matrix exponential of Lie-algebra elements, shape ``(..., d, d)``.

        It reaches the identity component only, and for Sp(2m, R) and O(p, q) with p, q ≥ 2
        not all of that.
        """
        self._check_matrix(xi, "xi")
        return matrix_exp(xi)

    @abc.abstractmethod
    def sample(
        self,
        *batch: int,
        rapidity: float | Tensor = 1.0,
        component: Sequence[int] | None = None,
        generator: torch.Generator | None = None,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
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

        Args:
            t: matrices, shape ``(..., d, d)``.
            rtol: 100 d times the machine epsilon of ``t`` unless given.
        """
        if rtol is None:
            rtol = 100 * self.dim * torch.finfo(t.dtype).eps
        return self.residual(t) <= rtol

    @abc.abstractmethod
    def polar(self, m: Tensor) -> Tensor:
        r"""Generalised polar factor T of m = T S, with T in the group and :math:`S^* = S`.

        For a definite form it is the Frobenius-nearest group element.

        Args:
            m: matrices, shape ``(..., d, d)``.

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
        (equal Grams alone do not suffice for an indefinite form).

        Args:
            source, target: points, shape ``(..., n, d)``.
            rtol: relative size below which a singular value counts as zero; by default
                :math:`ε^{2/3}` with ε the machine epsilon of the points.

        Returns:
            T with ``source @ T.mT == target``, shape ``(..., d, d)``; computed in float64.

        Raises:
            DependencyMismatch: no group element does it.
        """
        self._check_points(source, target)
        rtol = float(torch.finfo(source.dtype).eps ** (2 / 3)) if rtol is None else rtol
        work = torch.promote_types(source.dtype, torch.float64)
        return self._extend(source.to(work), target.to(work), rtol).to(source.dtype)

    @abc.abstractmethod
    def _extend(self, source: Tensor, target: Tensor, rtol: float) -> Tensor:
        """What :meth:`extend` promises, on checked double-precision points."""

    def recover(
        self,
        source: Tensor,
        target: Tensor,
        *,
        weights: Tensor | None = None,
        anchor: float = 0.0,
    ) -> Recovery:
        r"""The group element that carries ``source`` to ``target`` best (Wahba's problem).

        .. math:: \min_T \sum_i w_i \lVert a_i - T b_i\rVert^2 + τ \lVert T - I\rVert_F^2

        Computed in float64 and returned in the dtype of ``source``. Gradients reach both point
        sets and are finite everywhere; where ``identifiable`` is False they have no meaning.

        Args:
            source, target: points B and A, shape ``(..., n, d)``.
            weights: w, nonnegative, shape ``(..., n)``.
            anchor: τ in units of the mean of :math:`\sum_i w_i |b_{ij}|^2` over j: pulls T to the
                identity where the data leave it open. For noisy points that span less than the
                space; 0 fits the data alone.

        Returns:
            The fit, whose ``rank`` and ``identifiable`` are those of the data without the anchor.

        Raises:
            ValueError: shapes do not fit, a weight or the anchor is negative.
        """
        self._check_points(source, target)
        moments = Moments.of(source, target, weights)
        eps = torch.finfo(source.dtype).eps
        matrix, rank, identifiable = self._fit(moments, self._pull(moments, anchor), eps)
        matrix = matrix.to(source.dtype)
        root = 1 if weights is None else weights.to(source.real.dtype).sqrt()[..., None]
        residual = relative_error(target * root, source @ matrix.mT * root)
        fit = Recovery(matrix, residual, rank, identifiable)
        if anchor or identifiable.all():
            return fit
        return self._exact_where_open(fit, source * root, target * root)

    def _exact_where_open(self, fit: Recovery, source: Tensor, target: Tensor) -> Recovery:
        """The fit, made exact where points that span less than the space allow it.

        Descent need not end where the residual is zero, since it may be so along a whole flat
        valley; Witt's theorem says whether there is such an isometry, and which.
        """
        matrix, residual = fit.matrix.clone(), fit.residual.clone()
        rounding = 1e3 * self.dim * torch.finfo(source.dtype).eps
        for index in (~fit.identifiable & (residual > rounding)).nonzero().tolist():
            where = tuple(index)
            b, a = source[where].detach(), target[where].detach()
            try:
                # Where Grams agree only nearly, so is the extension only nearly in the group.
                exact = self.polar(self.extend(b, a))
            except ValueError:
                continue
            error = relative_error(a, b @ exact.mT)
            if error < residual[where]:
                matrix[where], residual[where] = exact, error
        return Recovery(matrix, residual, fit.rank, fit.identifiable)

    def recover_moments(self, moments: Moments, *, anchor: float = 0.0) -> Recovery:
        """:meth:`recover` from streamed moments; its residual is rounding below about 1e-8.

        Args:
            moments: of the points, shape ``(..., d, d)``.
            anchor: as in :meth:`recover`.

        Raises:
            ValueError: shapes do not fit, or the anchor is negative.
        """
        self._check_matrix(moments.source, "moments.source")
        eps = torch.finfo(moments.source.dtype).eps
        matrix, rank, identifiable = self._fit(moments, self._pull(moments, anchor), eps)
        return Recovery(matrix, moments.relative_error(matrix), rank, identifiable)

    @abc.abstractmethod
    def _fit(
        self, moments: Moments, tau: Tensor | None, eps: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        """What :meth:`recover` promises: matrix, rank and identifiable.

        ``tau`` is the anchor's τ, shape ``(...)``, and ``eps`` the machine epsilon of the points.
        """

    def _pull(self, moments: Moments, anchor: float) -> Tensor | None:
        """τ of an anchor; None for none, with which nothing is to be computed."""
        if anchor < 0:
            raise ValueError(f"anchor must not be negative, got {anchor}")
        return anchor * trace(moments.source) / self.dim if anchor else None

    def _check_matrix(self, m: Tensor, name: str) -> None:
        if m.ndim < 2 or m.shape[-2:] != (self.dim, self.dim):
            raise ValueError(
                f"{name} must have shape (..., {self.dim}, {self.dim}), got {tuple(m.shape)}"
            )

    def _check_points(self, source: Tensor, target: Tensor) -> None:
        if source.shape != target.shape or source.ndim < 2 or source.shape[-1] != self.dim:
            raise ValueError(
                f"source and target must have one shape (..., n, {self.dim}), "
                f"got {tuple(source.shape)} and {tuple(target.shape)}"
            )
        self.form.check_embedding(source)
        self.form.check_embedding(target)

    def _signs(self, component: Sequence[int]) -> tuple[int, ...]:
        signs = tuple(int(s) for s in component)
        if len(signs) != self.num_signs or any(s not in (-1, 1) for s in signs):
            raise ValueError(
                f"component must hold {self.num_signs} signs +1 or -1, got {tuple(component)}"
            )
        return signs

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.form!r}, d={self.dim})"
