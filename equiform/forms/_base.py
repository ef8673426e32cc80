"""The abstract form: what losses and groups take, and the hooks of the layers above."""

from __future__ import annotations

import abc
import functools
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import torch
from torch import Tensor
from torch._C._functorch import maybe_current_level
from torch.utils._python_dispatch import is_in_torch_dispatch_mode

from equiform._options import check_count
from equiform.forms.signed_permutation import SignedPermutation

if TYPE_CHECKING:
    from equiform.forms.bilinear import BilinearForm
    from equiform.groups import IsometryGroup
    from equiform.manifolds import EmbeddingManifold

T = TypeVar("T")


def sigma(m: Tensor) -> Tensor:
    r"""The σ of :math:`xJy^σ`: transpose, conjugate if complex; ``(..., n, m) -> (..., m, n)``."""
    if not isinstance(m, Tensor) or m.ndim < 2:
        got = tuple(m.shape) if isinstance(m, Tensor) else type(m).__name__
        raise TypeError(f"m must be a tensor of matrices (..., n, m), got {got}")
    return m.mH


class Product(NamedTuple):
    """One product of a form, as the operators take it: on a device, in real coordinates.

    Attributes:
        where: the coordinates that it sees.
        form: the product.
        frame: C, to multiply embeddings by; None for the identity.
        permutations: J of the real products that make it up: one, or for complex embeddings, split
            into real and imaginary part, two.
    """

    where: slice
    form: BilinearForm
    frame: Tensor | None
    permutations: tuple[SignedPermutation, ...]


class Form(abc.ABC):
    """What losses and groups take: one product, or several that are kept at once.

    Forms are immutable values: equal parameters compare equal and hash alike.
    """

    #: Whether products are conjugate-linear in their second argument and take complex embeddings.
    sesquilinear: bool = False

    #: d, of a form that exists on one dimension only.
    _dim: int | None = None

    def _once(self, key: object, make: Callable[..., T], *args: Any) -> T:
        """``make(*args)``, kept under a key unless it ends with what traces or transforms it."""
        if torch.compiler.is_compiling():
            return make(*args)
        memo = vars(self).setdefault("_memo", {})
        if key in memo:
            return memo[key]
        # What is kept outlives an inference_mode that a first call may stand in.
        with torch.inference_mode(False):
            made = make(*args)
        # Tensors made in vmap, grad or a mode of fake tensors are of no use after it.
        if maybe_current_level() is None and not is_in_torch_dispatch_mode():
            memo[key] = made
        return made

    @abc.abstractmethod
    def parts(self, d: int) -> tuple[tuple[BilinearForm, slice], ...]:
        """The single products with the coordinates of d that each sees."""

    def products(self, x: Tensor) -> tuple[Product, ...]:
        """The single products for embeddings x, checked and made once for a d, dtype and device."""
        return self._once((x.shape[-1], x.dtype, x.device), self._products, x)

    def _products(self, x: Tensor) -> tuple[Product, ...]:
        self.check_embedding(x)
        return tuple(form.product(s, x[..., s]) for form, s in self.parts(x.shape[-1]))

    @abc.abstractmethod
    def inner(self, x: Tensor, y: Tensor) -> Tensor:
        r""":math:`\langle x, y\rangle`, one number a product, ``(..., d), (..., d) -> (...)``."""

    @abc.abstractmethod
    def gram(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """All products of rows, ``(..., n, d), (..., m, d) -> (..., n, m)``; of x with itself."""

    def frame(self, d: int) -> Tensor | None:
        """C, in float64 or complex128, where products are standard in the coordinates x C.

        None for the identity, which it is but for forms made of a :class:`MetricForm`.
        """
        return None

    def coordinates(self, x: Tensor) -> Tensor:
        """Rows x C, ``(..., d) -> (..., d)``, in the dtype of x; x itself where C is the identity.

        Lengths that products do not give, such as the errors of fits, are measured here.
        """
        return self._coordinates(x).to(x.dtype)

    def on_coordinates(self, t: Tensor) -> Tensor:
        """C^t T C^{-t}: T on the coordinates of columns, in double precision; T itself where C = I.

        Shape ``(..., d, d)``. Rows x @ T.mT have the coordinates ``coordinates(x) @ this.mT``.
        """
        self._check_rows(t)
        frame = self._frame(t)
        if frame is None:
            return t
        c = frame.mT
        return torch.linalg.solve(c, c @ t.to(c.dtype), left=False)

    def check_dim(self, d: int) -> None:
        """Raise ValueError where the form does not exist on d dimensions."""
        if self._dim is not None and d != self._dim:
            raise ValueError(f"{self!r} lives on {self._dim} dimensions, got d={d}")
        if d < 1:
            raise ValueError(f"{self!r} needs at least one dimension, got d={d}")

    def check_embedding(self, x: Tensor) -> None:
        """Raise TypeError or ValueError where the form cannot take the embedding ``x``."""
        if not isinstance(x, Tensor):
            raise TypeError(
                f"{self!r} needs embeddings as a tensor, got {type(x).__name__}; "
                "use torch.as_tensor"
            )
        if x.ndim == 0:
            raise ValueError(f"{self!r} needs embeddings of shape (..., d), got a scalar")
        if self.sesquilinear and not x.is_complex():
            raise TypeError(
                f"{self!r} is sesquilinear and needs complex embeddings, got {x.dtype}; "
                "build them with torch.complex, or use EuclideanForm() on real ones"
            )
        if not self.sesquilinear and not x.is_floating_point():
            # Over C a symmetric bilinear form has <(1, i), (1, i)> = 0: no metric meaning.
            remedy = "on complex ones use HermitianForm()" if x.is_complex() else "use .float()"
            raise TypeError(
                f"{self!r} is bilinear and needs real floating-point embeddings, got {x.dtype}; "
                + remedy
            )
        self.check_dim(x.shape[-1])

    def isometry_group(self, d: int) -> IsometryGroup:
        r"""The group of all T on d dimensions that preserve the form, :math:`\{T : T^* T = I\}`."""
        check_count("d", d)
        self.check_dim(d)
        return isometry_group(self, d)

    def manifold(self) -> EmbeddingManifold:
        """The manifold on which embeddings of this form naturally live, where there is one."""
        return natural_manifold(self)

    def _check_rows(self, x: Tensor) -> None:
        """Raise where x holds no rows of d numbers, real or complex."""
        if not isinstance(x, Tensor) or x.ndim == 0:
            self.check_embedding(x)
        if not (x.is_floating_point() or x.is_complex()):
            raise TypeError(
                f"{self!r} needs floating-point embeddings, got {x.dtype}; use .float()"
            )
        self.check_dim(x.shape[-1])

    def _coordinates(self, x: Tensor) -> Tensor:
        """:meth:`coordinates`, in double precision, which an ill-conditioned C is worth."""
        self._check_rows(x)
        frame = self._frame(x)
        return x if frame is None else x.to(frame.dtype) @ frame

    def _frame(self, x: Tensor) -> Tensor | None:
        """C on the device of x, which it can multiply."""
        frame = self.frame(x.shape[-1])
        if frame is None:
            return None
        self.check_embedding(x)
        return frame.to(x.device)

    def _key(self) -> tuple[object, ...]:
        """The parameters that tell two forms of this class apart."""
        own = {name: x for name, x in vars(self).items() if name not in ("_memo", "_dim")}
        for name, value in own.items():
            if not isinstance(value, Hashable) or isinstance(value, Tensor):
                raise TypeError(
                    f"{type(self).__name__}.{name} must compare and hash by value, got "
                    f"{type(value).__name__}; keep numbers in a tuple, and a matrix in MetricForm"
                )
        return tuple(own.values())

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self._key() == other._key()  # type: ignore[attr-defined]

    def __hash__(self) -> int:
        return hash((type(self), *self._key()))

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_memo"}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self._key()))})"


def check_form(form: object) -> None:
    """Raise TypeError unless it is a form."""
    if not isinstance(form, Form):
        remedy = ""
        if hasattr(form, "projx"):  # a manifold of geoopt
            ours = repr(form) if hasattr(form, "form") else "Sphere() or Hyperboloid()"
            remedy = f"; use manifold={ours}"
        raise TypeError(
            f"form must be a form such as MinkowskiForm(), got {form!r} "
            f"({type(form).__name__}){remedy}"
        )


@functools.singledispatch
def isometry_group(form: Form, d: int) -> IsometryGroup:
    """The isometry group of ``form`` on d dimensions.

    An open hook: groups stand above forms and register themselves here by the type of form, so
    that ``form.isometry_group(d)`` needs no upward import.
    """
    if not isinstance(form, Form):
        raise TypeError(f"form must be a form such as EuclideanForm(), got {form!r}")
    raise NotImplementedError(f"no isometry group is registered for {type(form).__name__}")


@functools.singledispatch
def natural_manifold(form: Form) -> EmbeddingManifold:
    """The natural manifold of ``form``; an open hook, as :func:`isometry_group`."""
    raise ValueError(
        f"{form!r} has no manifold of its own; embeddings live in the whole space. "
        "EuclideanForm() has the sphere and MinkowskiForm() the hyperboloid"
    )
