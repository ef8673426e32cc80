"""The unit sphere: the manifold of the Euclidean form."""

from __future__ import annotations

from typing import Any

import geoopt
import torch
from geoopt.manifolds.base import ScalingInfo
from torch import Tensor

from equiform._points import at_least
from equiform.forms import EuclideanForm
from equiform.manifolds import _sphere_math as math
from equiform.manifolds._base import EmbeddingManifold


class Sphere(EmbeddingManifold, geoopt.Sphere):
    r"""The unit sphere :math:`\{x \in R^d : \langle x, x\rangle = 1\}`, as ``geoopt.Sphere``.

    A drop-in for it, which replaces what is inexact there: ``dist`` (an acos of a clamped product,
    wrong by 1e-2 rad at coincident points in float32), ``transp`` (a projection, which is no
    isometry), ``logmap`` and ``expmap`` (blended below a threshold), ``norm`` and ``projx`` (not
    finite at zero). The origin is the first basis vector, not a random point. A sphere inside a
    subspace has a smaller isometry group than O(d), so geoopt's ``intersection`` and
    ``complement`` are not taken.

    Everything but :meth:`similarity` is computed in float64 (so on a device that has it), and
    returned in the dtype of the arguments, at least float32. No result is finite where NaN or
    infinity is anywhere in its points or vectors.
    """

    form = EuclideanForm()
    #: Contrastive losses may score pairs by their streaming kernels.
    inner_product_similarity = True
    __scaling__ = geoopt.Sphere.__scaling__.copy()

    def __init__(self) -> None:
        super().__init__()

    def project(self, z: Tensor) -> Tensor:
        r""":math:`z / |z|`, shape ``(..., d) -> (..., d)``.

        Zero has no direction: it goes to the first basis vector, with gradient zero. The gradient
        is zero at subnormal numbers too, where it would overflow.
        """
        return self.projx(z)

    def projx(self, x: Tensor) -> Tensor:
        """The nearest point, shape ``(..., d)``; zero goes to the first basis vector."""
        return math.project(x, tiny=torch.finfo(x.dtype).tiny)

    def proju(self, x: Tensor, u: Tensor) -> Tensor:
        """Orthogonal projection of any vector to the tangent space at ``x``."""
        return math.project_tangent(x, u)

    egrad2rgrad = proju

    def inner(
        self, x: Tensor, u: Tensor, v: Tensor | None = None, *, keepdim: bool = False
    ) -> Tensor:
        """The Euclidean product of tangent vectors at ``x``, ``(..., d) -> (...)``."""
        return math.inner(x, u, u if v is None else v, keepdim=keepdim)

    def norm(self, x: Tensor, u: Tensor, *, keepdim: bool = False) -> Tensor:
        """Length of a tangent vector, with derivatives zero at zero."""
        return math.norm(x, u, keepdim=keepdim)

    def dist(self, x: Tensor, y: Tensor, *, keepdim: bool = False) -> Tensor:
        r"""Angle in radians, :math:`2\,\mathrm{atan2}(|x - y|, |x + y|)`, ``(..., d) -> (...)``.

        Exact to rounding at every angle (Kahan), where acos loses half the digits near 0 and π. Its
        derivatives are zero at coincident points and at antipodes, where there are none; those of
        the square :meth:`dist2` are right at coincident points.
        """
        return math.dist(x, y, keepdim=keepdim)

    def dist2(self, x: Tensor, y: Tensor, *, keepdim: bool = False) -> Tensor:
        """:meth:`dist` squared, ``(..., d) -> (...)``, smooth at coincident points too."""
        return math.dist2(x, y, keepdim=keepdim)

    @__scaling__(ScalingInfo(1))
    def pairwise_dist(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Angles in radians between all rows, ``(..., n, d), (..., m, d) -> (..., n, m)``."""
        return math.pairwise_dist(x, x if y is None else y)

    def similarity(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Inner products (cosines), ``(..., n, d), (..., m, d) -> (..., n, m)``."""
        return self.form.gram(*at_least(torch.float32, x, x if y is None else y))

    def expmap(self, x: Tensor, u: Tensor) -> Tensor:
        r""":math:`\cos|u|\,x + \mathrm{sinc}|u|\,u`, shapes ``(..., d), (..., d) -> (..., d)``."""
        return math.expmap(x, u)

    def retr(self, x: Tensor, u: Tensor) -> Tensor:
        """The nearest point to ``x + u``."""
        return math.retract(x, u)

    def logmap(self, x: Tensor, y: Tensor) -> Tensor:
        """The tangent vector at ``x`` that leads to ``y``; zero for antipodes, joined by many."""
        return math.logmap(x, y)

    def transp(self, x: Tensor, y: Tensor, v: Tensor) -> Tensor:
        """Parallel transport of ``v`` along the geodesic from ``x`` to ``y``: an isometry.

        What of ``v`` is not tangent at ``x`` is dropped. Between antipodes the result is ``v``.
        """
        return math.transport(x, y, v)

    def random_uniform(
        self,
        *size: Any,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
        generator: torch.Generator | None = None,
    ) -> geoopt.ManifoldTensor:
        """Points drawn uniformly, of shape ``size``."""
        dtype, shape = self._sampled(dtype), self._shape(size)
        normal = torch.randn(shape, dtype=dtype, device=device, generator=generator)
        return self._tensor(self.projx(normal))

    random = random_uniform
