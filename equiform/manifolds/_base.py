"""The abstract embedding manifold: what a loss may ask of a sphere or of a hyperboloid."""

from __future__ import annotations

import abc
import inspect
from typing import Any

import geoopt
import torch
from torch import Tensor

from equiform._options import check_count
from equiform.forms import BilinearForm
from equiform.groups import IsometryGroup
from equiform.manifolds._arguments import CHECKS, checking_arguments


class EmbeddingManifold(geoopt.manifolds.Manifold):
    r"""A geoopt manifold on which embeddings live, cut out of a space with a bilinear form.

    The methods of geoopt keep their signatures, so that ``geoopt.ManifoldParameter`` and the
    Riemannian optimisers work. Some methods are added, with these laws, which
    ``tests/manifolds`` checks for every manifold:

    * ``check_point_on_manifold(project(z))`` for every z, and the gradient is finite;
    * ``project(z)`` has ``ambient_dim(d)`` coordinates where z has d;
    * ``pairwise_dist(x, y)[i, j] = dist(x[i], y[j])``;
    * ``similarity(x, y)`` is a decreasing function of ``pairwise_dist(x, y)``;
    * ``isometry_group(d)`` holds the isometries of :attr:`form` that map the manifold to itself,
      and they leave all distances as they are.

    What the public methods of a subclass call x, y, z, u and v is checked before they run:
    TypeError where it is no tensor of real floating-point numbers, ValueError where shapes or
    devices do not go together. They are points or vectors ``(..., d)``, or where y may be left
    out sets of them, ``(..., n, d)``. None is written to. ``float16`` and ``bfloat16`` arguments
    are computed in more and answered in float32: rounded to half precision, a point leaves the
    manifold. Autocast changes nothing.
    """

    #: The bilinear form of the ambient space.
    form: BilinearForm
    #: Whether :meth:`similarity` is the plain inner product of the coordinates.
    inner_product_similarity: bool = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        inherited = (name for name in dir(cls) if name.startswith(CHECKS))
        for name in {*vars(cls), *inherited}:
            method = inspect.getattr_static(cls, name)
            if inspect.isfunction(method) and not name.startswith("_"):
                setattr(cls, name, checking_arguments(method))

    @abc.abstractmethod
    def project(self, z: Tensor) -> Tensor:
        """Points of the manifold from an encoder's output ``z``, shape ``(..., d)``."""

    def ambient_dim(self, d: int) -> int:
        """The number of coordinates of a point made from an encoder's output of d numbers."""
        return d

    def isometry_group(self, d: int) -> IsometryGroup:
        """The isometries of the form on d ambient coordinates that keep the manifold."""
        return self.form.isometry_group(d)

    @abc.abstractmethod
    def pairwise_dist(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Geodesic distances between all rows, ``(..., n, d), (..., m, d) -> (..., n, m)``.

        Memory is O(n m). ``y`` is ``x`` where it is left out.
        """

    @abc.abstractmethod
    def similarity(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """The logits of a contrastive loss, shapes as :meth:`pairwise_dist`."""

    def origin(
        self,
        *size: Any,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
        seed: int | None = 42,
    ) -> geoopt.ManifoldTensor:
        """(1, 0, …, 0) or (√k, 0, …, 0), which ``projx`` makes of 0; ``seed`` is not used."""
        dtype = self._sampled(self.dtype if dtype is None else dtype)
        zero = torch.zeros(self._shape(size), dtype=dtype, device=device or self.device)
        return self._tensor(self.projx(zero))

    def _check_shape(self, shape: tuple[int, ...], name: str) -> tuple[bool, str | None]:
        if shape and shape[-1] >= 2:
            return True, None
        needed = "needs shape (..., d) with at least two coordinates"
        return False, f"{name} on the {self} {needed}, got {tuple(shape)}"

    def _shape(self, size: tuple[Any, ...]) -> tuple[int, ...]:
        shape = geoopt.utils.size2shape(*size)
        for n in shape:
            check_count("size", n, least=0)
        self._assert_check_shape(shape, "size")
        return shape

    def _sampled(self, dtype: torch.dtype | None) -> torch.dtype:
        """The dtype of new points: that which is asked for or the default, at least float32."""
        dtype = torch.get_default_dtype() if dtype is None else dtype
        if not isinstance(dtype, torch.dtype) or not dtype.is_floating_point:
            raise TypeError(f"dtype must be a floating-point torch.dtype, got {dtype!r}")
        return torch.promote_types(dtype, torch.float32)

    def _tensor(self, x: Tensor) -> geoopt.ManifoldTensor:
        """``x``, marked as points of this manifold."""
        return geoopt.ManifoldTensor(x, manifold=self)  # type: ignore[call-arg]
