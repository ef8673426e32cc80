"""The abstract group of matrices that preserve a form: what can be done with one element."""

from __future__ import annotations

import abc
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from equiform._options import check_number
from equiform._points import at_least
from equiform._precision import full_precision
from equiform.forms import Form
from equiform.groups._arguments import answer_dtype, check_dtype, check_matrix, check_sampling
from equiform.groups._scale import lift, to_unit

Device = torch.device | str | None
Signs = Sequence[int] | None


class MatrixGroup(abc.ABC):
    r"""What an :class:`IsometryGroup` is apart from fits: its algebra, its elements and samples.

    What a method promises of finite matrices in double precision stands in one of its own, which
    is all that a group defines; what is asked of others is answered here once for all groups.

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

    @full_precision
    def project_algebra(self, m: Tensor) -> Tensor:
        """Frobenius-nearest element of the Lie algebra, shape ``(..., d, d)``."""
        return self._matrices(self._project_algebra, m, "m")

    @abc.abstractmethod
    def _project_algebra(self, m: Tensor) -> Tensor:
        """:meth:`project_algebra` of finite matrices in double precision."""

    @full_precision
    def exp(self, xi: Tensor) -> Tensor:
        """Matrix exponential of Lie-algebra elements, shape ``(..., d, d)``: an isometry.

        It reaches the identity component only, and for Sp(2m, R) and O(p, q) with p, q ≥ 2
        not all of that. Rounding of ξ that leads out of the algebra is taken off.

        Infinite where it overflows, for groups that are not compact from eigenvalues of 88 on in
        float32 and 709 in float64; in a compiled graph, for all groups, from norms of 10⁶ on.
        """
        return self._matrices(lambda x: _overflown(self._exp(x)), xi, "xi")

    @abc.abstractmethod
    def _exp(self, xi: Tensor) -> Tensor:
        """:meth:`exp` of finite matrices in double precision."""

    @full_precision
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
            Shape ``(*batch, d, d)``, infinite where it overflows the dtype.
        """
        dtype = self.dtype if dtype is None else dtype
        check_dtype(self, dtype, "dtype")
        signs = check_sampling(self, batch, rapidity, component)
        t = self._sample(batch, rapidity, signs, generator=generator, device=device)
        return _overflown(t).to(dtype)

    @abc.abstractmethod
    def _sample(
        self, batch: tuple[int, ...], rapidity: float | Tensor, signs: Signs, **source: Any
    ) -> Tensor:
        """:meth:`sample` in double precision; ``source`` are the options of torch's generators."""

    @full_precision
    def component(self, t: Tensor) -> Tensor:
        """Signs ±1 of the connected component of t, ``(..., d, d) -> (..., num_signs)``."""
        return self._matrices(self._component, t, "t")

    @abc.abstractmethod
    def _component(self, t: Tensor) -> Tensor:
        """:meth:`component` of finite matrices in double precision."""

    @full_precision
    def residual(self, t: Tensor) -> Tensor:
        r"""How far t is from the group, :math:`\lVert t^σJt - J\rVert_F / \lVert t\rVert_2^2`.

        Relative, because a boost of rapidity η magnifies rounding by e^{2η}. Shape ``(...)``, in
        float64. Second derivatives are those of the numerator.
        """
        return self._of_finite(self._residual, t, "t")

    @abc.abstractmethod
    def _residual(self, t: Tensor) -> Tensor:
        """:meth:`residual` of finite matrices in double precision."""

    @full_precision
    def contains(self, t: Tensor, rtol: float | None = None) -> Tensor:
        """Whether ``t`` is in the group, up to ``rtol`` on :meth:`residual`; shape ``(...)``, bool.

        It is 100 d :attr:`condition` times the machine epsilon of ``t``, and 0.05 at the most,
        unless given. What is not finite is in no group.
        """
        check_matrix(self, t, "t")
        if rtol is None:
            rtol = min(100 * self.dim * torch.finfo(t.dtype).eps * self.condition, 0.05)
        return self.residual(t) <= check_number("rtol", rtol)

    @full_precision
    def polar(self, m: Tensor) -> Tensor:
        r"""Generalised polar factor T of m = T S, with T in the group and :math:`S^* = S`.

        For a definite form it is the element nearest in the form's coordinates.
        Shape ``(..., d, d)``.

        Raises:
            ValueError: a matrix has no polar factor (:math:`m^* m` singular, or with negative
                eigenvalues); in a graph or under ``torch.func`` it has NaN instead.
        """
        return self._matrices(lambda m: self._polar(m * to_unit(m)), m, "m")

    @abc.abstractmethod
    def _polar(self, m: Tensor) -> Tensor:
        """:meth:`polar` of finite matrices in double precision."""

    @full_precision
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
        # Another gauge of the units changes nothing.
        return self._matrices(
            lambda s: self._balance(s * to_unit(s)), second_moment, "second_moment"
        )

    @abc.abstractmethod
    def _balance(self, second_moment: Tensor) -> Tensor:
        """:meth:`balance` of finite matrices in double precision."""

    def _matrices(self, function: Callable[[Tensor], Tensor], m: Tensor, name: str) -> Tensor:
        """:meth:`_of_finite`, in the dtype of m, but float32 at least."""
        return self._of_finite(function, m, name).to(answer_dtype(m))

    def _of_finite(self, function: Callable[[Tensor], Tensor], m: Tensor, name: str) -> Tensor:
        """A function of matrices in double precision, NaN for those that are not finite."""
        check_matrix(self, m, name)
        (m,) = at_least(torch.float64, m)
        finite = m.isfinite().all(dim=(-2, -1))
        eye = torch.eye(self.dim, dtype=m.dtype, device=m.device)
        value = function(torch.where(lift(finite, m), m, eye))
        return torch.where(lift(finite, value), value, torch.nan)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.form!r}, d={self.dim})"


def _overflown(t: Tensor) -> Tensor:
    """Infinity where infinite terms cancelled."""
    return torch.where(t.isnan(), torch.inf, t)
