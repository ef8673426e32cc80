"""The abstract bilinear form: what every geometry in equiform is made from."""

from __future__ import annotations

import abc
import functools
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from equiform.groups import IsometryGroup


def sigma(m: Tensor) -> Tensor:
    r"""The σ of :math:`xJy^σ`: transpose, conjugate if complex; ``(..., n, m) -> (..., m, n)``."""
    return m.mH


class BilinearForm(abc.ABC):
    r"""A nondegenerate ε-symmetric form :math:`\langle x, y\rangle = x J y^σ` on the last axis.

    σ is the transpose for a bilinear form (real embeddings) and the conjugate transpose for a
    sesquilinear one (complex embeddings). A subclass is one geometry; it gives :meth:`apply`, the
    two class attributes below where they differ from the defaults, and :meth:`check_dim` where
    not every dimension carries the form. Everything else in the library follows from those, by
    these laws, which ``tests/properties`` checks for every form:

    * *linearity*: ``inner(a x + y, z) = a inner(x, z) + inner(y, z)``, and σ-linear in ``z``;
    * *ε-symmetry*: ``inner(y, x) = ε inner(x, y)^σ``;
    * *standard basis*: J is a real signed permutation with :math:`J^2 = εI`. So the form is
      nondegenerate, :math:`J^{-1} = εJ`, and :meth:`apply` costs O(n d). By Sylvester's and
      Darboux's theorems every nondegenerate symmetric, Hermitian or real skew form is congruent
      to one written so;
    * *adjoint*: ``inner(x T^t, y) = inner(x, y (T*)^t)`` with T* = ``adjoint(T)``.

    Forms are immutable values: equal parameters compare equal and hash alike.
    """

    #: The sign ε, ``+1`` where ``<y, x> = <x, y>^σ``, ``-1`` where ``<y, x> = -<x, y>^σ``.
    symmetry: int = 1
    #: Whether the form is conjugate-linear in its second argument and takes complex embeddings.
    sesquilinear: bool = False

    @abc.abstractmethod
    def apply(self, x: Tensor) -> Tensor:
        """Rows x ↦ x J, shape ``(..., d) -> (..., d)``, in O(n d): never a matmul with J."""

    def check_dim(self, d: int) -> None:
        """Raise ValueError where the form does not exist on d dimensions."""
        if d < 1:
            raise ValueError(f"{self!r} needs at least one dimension, got d={d}")

    def check_embedding(self, x: Tensor) -> None:
        """Raise TypeError or ValueError where the form cannot take the embedding ``x``."""
        if x.ndim == 0:
            raise ValueError(f"{self!r} needs embeddings of shape (..., d), got a scalar")
        if self.sesquilinear and not x.is_complex():
            raise TypeError(
                f"{self!r} is sesquilinear and needs complex embeddings, got {x.dtype}; "
                "build them with torch.complex, or use EuclideanForm() on real ones"
            )
        if not self.sesquilinear and not x.is_floating_point():
            # Over C a symmetric bilinear form has <(1, i), (1, i)> = 0: no metric meaning.
            raise TypeError(
                f"{self!r} is bilinear and needs real floating-point embeddings, got {x.dtype}; "
                "on complex ones use HermitianForm()"
            )
        self.check_dim(x.shape[-1])

    def matrix(
        self, d: int, *, dtype: torch.dtype | None = None, device: torch.device | str | None = None
    ) -> Tensor:
        """The matrix J of the form, shape ``(d, d)``."""
        self.check_dim(d)
        if dtype is None and self.sesquilinear:
            dtype = torch.get_default_dtype().to_complex()
        return self.apply(torch.eye(d, dtype=dtype, device=device))

    def inner(self, x: Tensor, y: Tensor) -> Tensor:
        r""":math:`\langle x, y\rangle`, shapes ``(..., d), (..., d) -> (...)``."""
        self._check_pair(x, y)
        return (self.apply(x) * y.conj()).sum(-1)

    def gram(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        r"""Gram matrix :math:`G_{ij} = \langle x_i, y_j\rangle`.

        Shapes ``(..., n, d), (..., m, d) -> (..., n, m)``; of x with itself unless y is given.
        """
        y = x if y is None else y
        self._check_pair(x, y)
        return self.apply(x) @ sigma(y)

    def adjoint(self, m: Tensor) -> Tensor:
        r"""Adjoint :math:`J^{-1} m^σ J` with respect to the form, shape ``(..., d, d)``.

        T is an isometry exactly when ``adjoint(T) @ T`` is the identity.
        """
        self.check_dim(m.shape[-1])
        # J⁻¹X = (Xᵀ J⁻ᵀ)ᵀ = (Xᵀ J)ᵀ, because J is orthogonal: J⁻ᵀ = J.
        return self.apply(self.apply(sigma(m)).mT).mT

    def isometry_group(self, d: int) -> IsometryGroup:
        r"""The group :math:`\{T : T^* T = I\}` of the form on d dimensions."""
        return isometry_group(self, d)

    def _check_pair(self, x: Tensor, y: Tensor) -> None:
        self.check_embedding(x)
        self.check_embedding(y)
        if x.shape[-1] != y.shape[-1]:
            raise ValueError(
                f"{self!r} pairs vectors of one dimension, "
                f"got shapes {tuple(x.shape)} and {tuple(y.shape)}"
            )

    def _key(self) -> tuple[object, ...]:
        """The parameters that tell two forms of this class apart."""
        return ()

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self._key() == other._key()  # type: ignore[attr-defined]

    def __hash__(self) -> int:
        return hash((type(self), *self._key()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self._key()))})"


@functools.singledispatch
def isometry_group(form: BilinearForm, d: int) -> IsometryGroup:
    """The isometry group of ``form`` on d dimensions.

    An open hook: groups stand above forms and register themselves here by the type of form, so
    that ``form.isometry_group(d)`` needs no upward import.
    """
    raise NotImplementedError(f"no isometry group is registered for {type(form).__name__}")
