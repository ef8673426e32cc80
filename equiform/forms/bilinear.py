"""The abstract bilinear form: one product, and all that follows from its matrix J."""

from __future__ import annotations

import abc
from typing import Any

import torch
from torch import Tensor

from equiform._options import check_count
from equiform._points import at_least
from equiform._precision import full_precision
from equiform.forms._base import Form, Product, sigma
from equiform.forms._range import reduced, restored
from equiform.forms.signed_permutation import Columns, IndexAndSigns, SignedPermutation

Device = torch.device | str | None


class BilinearForm(Form):
    r"""A nondegenerate ε-symmetric form :math:`\langle x, y\rangle = x J y^σ` on the last axis.

    σ is the transpose for a bilinear form (real embeddings) and the conjugate transpose for a
    sesquilinear one (complex embeddings). A subclass is one geometry; it gives
    :meth:`signed_permutation`, the two class attributes where they differ from the defaults, and
    ``check_dim`` where not every dimension carries the form. Everything else in the library
    follows from those, by these laws, which ``tests/properties`` checks for every form:

    * *linearity*: ``inner(a x + y, z) = a inner(x, z) + inner(y, z)``, and σ-linear in ``z``;
    * *ε-symmetry*: ``inner(y, x) = ε inner(x, y)^σ``;
    * *standard basis*: J is a real signed permutation with :math:`J^2 = εI`. So the form is
      nondegenerate, :math:`J^{-1} = εJ`, and :meth:`apply` costs O(n d). By Sylvester's and
      Darboux's theorems every nondegenerate symmetric, Hermitian or real skew form is congruent
      to one written so, and :class:`MetricForm` writes it so;
    * *adjoint*: ``inner(x T^t, y) = inner(x, y (T*)^t)`` with T* = ``adjoint(T)``.
    """

    #: The sign ε, ``+1`` where ``<y, x> = <x, y>^σ``, ``-1`` where ``<y, x> = -<x, y>^σ``.
    symmetry: int = 1

    #: Machine epsilon of the dtype in which J is known, that of the S of a :class:`MetricForm`.
    eps: float = torch.finfo(torch.float64).eps

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Refuse a class that does not leave to the base what follows from the permutation."""
        super().__init_subclass__(**kwargs)
        derived = ("apply", "matrix", "adjoint", "inner", "gram", "signature")
        written = [x for x in derived if getattr(cls, x) is not getattr(BilinearForm, x)]
        if written:
            raise TypeError(
                f"{cls.__name__} overrides {', '.join(written)}, which follow from "
                "signed_permutation(d): J is a signed permutation with J² = εI. For a form with "
                "any other matrix S use MetricForm(S)"
            )

    @abc.abstractmethod
    def signed_permutation(self, d: int) -> IndexAndSigns:
        """J on d dimensions as ``(index, sign)``: column i of x J is sign[i] · x[index[i]].

        Integers, and None for an index or signs that change nothing. Checked once for each d.
        """

    def standard(self) -> BilinearForm:
        """The form whose J this one has in the coordinates x C; itself where C is the identity."""
        return self

    def signature(self, d: int) -> tuple[int, int]:
        """How many eigenvalues of J are positive and negative; of iJ for a skew form, (m, m)."""
        check_count("d", d)
        spaces = self.eigenvectors(d)
        p, q = (spaces[value].shape[1] if value in spaces else 0 for value in (1, -1))
        return p, q

    def apply(self, x: Tensor) -> Tensor:
        """Rows x ↦ x J, ``(..., d) -> (..., d)``, in the dtype of x; O(n d) where C is I."""
        self._check_rows(x)
        frame = self._frame(x)
        if frame is None:
            return self._permute(x)
        return (self._permute(x.to(frame.dtype) @ frame) @ sigma(frame)).to(x.dtype)

    def matrix(self, d: int, *, dtype: torch.dtype | None = None, device: Device = None) -> Tensor:
        """The matrix J of the form, shape ``(d, d)``."""
        check_count("d", d)
        self.check_dim(d)
        if dtype is None and self.sesquilinear:
            dtype = torch.get_default_dtype().to_complex()
        return self.apply(torch.eye(d, dtype=dtype, device=device))

    @full_precision
    def inner(self, x: Tensor, y: Tensor) -> Tensor:
        r""":math:`\langle x, y\rangle`, shapes ``(..., d), (..., d) -> (...)``.

        In the dtype of x and y, at least float32; infinite where that overflows.
        """
        self._check_pair(x, y)
        x, y = at_least(torch.float32, x, y)
        right = self._coordinates(y)
        left, factor = reduced(self._coordinates(x), right)
        product = (self._permute(left) * right.conj()).sum(-1, keepdim=True)
        return restored(product, factor).squeeze(-1).to(x.dtype)

    @full_precision
    def gram(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        r"""Gram matrix :math:`G_{ij} = \langle x_i, y_j\rangle`.

        Shapes ``(..., n, d), (..., m, d) -> (..., n, m)``; of x with itself unless y is given.
        In the dtype of x and y, at least float32; infinite where that overflows.
        """
        y = x if y is None else y
        self._check_pair(x, y, rows=True)
        x, y = at_least(torch.float32, x, y)
        right = self._coordinates(y)
        left, factor = reduced(self._coordinates(x), right, rows=True)
        return restored(self._permute(left) @ sigma(right), factor).to(x.dtype)

    def adjoint(self, m: Tensor) -> Tensor:
        r"""Adjoint of m with respect to the form, :math:`J^{-1} m^σ J` for a real J.

        Shape ``(..., d, d)``, in the dtype of m; ``adjoint(T) @ T`` is the identity exactly when T
        is an isometry.
        """
        self._check_rows(m)
        if m.ndim < 2 or m.shape[-2] != m.shape[-1]:
            raise ValueError(f"{self!r}: m must have shape (..., d, d), got {tuple(m.shape)}")
        frame = self._frame(m)
        if frame is not None:
            adjoint = self.standard().adjoint(self.on_coordinates(m))
            c = frame.mT
            return torch.linalg.solve(c, adjoint @ c).to(m.dtype)
        # J⁻¹X = (Xᵀ J⁻ᵀ)ᵀ = (Xᵀ J)ᵀ, because J is orthogonal: J⁻ᵀ = J.
        return self._permute(self._permute(sigma(m)).mT).mT

    def parts(self, d: int) -> tuple[tuple[BilinearForm, slice], ...]:
        """This form on all coordinates."""
        return ((self, slice(0, d)),)

    def eigenvectors(self, d: int) -> dict[int, Tensor]:
        """Orthonormal columns spanning the ±1 eigenspaces of J, or of iJ for a skew form.

        In the coordinates x C; in float64, or complex128 for a skew form.
        """
        return self.columns(d).eigenvectors(self.symmetry)

    def columns(self, d: int) -> Columns:
        """J as integers, checked: ValueError where it is no signed permutation with J² = εI."""
        return self._once(d, self._columns, d)

    def _columns(self, d: int) -> Columns:
        self.check_dim(d)
        given = self.signed_permutation(d)
        try:
            columns = Columns.of(given, d)
        except (TypeError, ValueError):
            columns = None
        if columns is None or not columns.obeys(d, self.symmetry):
            raise ValueError(
                f"{type(self).__name__}.signed_permutation({d}) must be a pair: an index that "
                f"permutes 0 to {d - 1}, and signs ±1, with J² = εI where symmetry = ε = "
                f"{self.symmetry}, in integers; got {given!r}. For a form with any other matrix S "
                "use MetricForm(S)"
            )
        return columns

    def permutation(self, d: int, dtype: torch.dtype, device: torch.device) -> SignedPermutation:
        """J on a device, its signs in a real dtype."""
        options = self.symmetry, dtype, device
        return self._once((d, *options), SignedPermutation.of, self.columns(d), *options)

    def product(self, where: slice, x: Tensor) -> Product:
        """This form on a slice of coordinates, as the operators take it, for embeddings there."""
        columns, frame = self.columns(x.shape[-1]), self.frame(x.shape[-1])
        real, device = x.real.dtype, x.device
        if self.sesquilinear:
            parts = zip(columns.real_parts(), (self.symmetry, -self.symmetry), strict=True)
        else:
            parts = ((columns, self.symmetry),)
        made = tuple(SignedPermutation.of(part, ε, real, device) for part, ε in parts)
        return Product(where, self, None if frame is None else frame.to(device), made)

    def _permute(self, x: Tensor) -> Tensor:
        return self.permutation(x.shape[-1], x.real.dtype, x.device).apply(x)

    def _check_pair(self, x: Tensor, y: Tensor, *, rows: bool = False) -> None:
        """Raise unless there are products of x and y, or of all their rows."""
        self.check_embedding(x)
        self.check_embedding(y)
        layout = "(..., n, d) and (..., m, d)" if rows else "(..., d)"
        axes = 2 if rows else 1
        batches = zip(reversed(x.shape[:-axes]), reversed(y.shape[:-axes]), strict=False)
        if (
            x.shape[-1] != y.shape[-1]
            or min(x.ndim, y.ndim) < axes
            or any(n != m and 1 not in (n, m) for n, m in batches)
        ):
            raise ValueError(
                f"{self!r} pairs vectors {layout} of one dimension, in batches that broadcast to "
                f"each other, got shapes {tuple(x.shape)} and {tuple(y.shape)}"
            )
        if x.device != y.device:
            raise ValueError(
                f"{self!r} pairs embeddings on one device, got {x.device} and {y.device}; "
                "use .to(device)"
            )
