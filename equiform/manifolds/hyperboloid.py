"""The hyperboloid: the manifold of the Minkowski form."""

from __future__ import annotations

from typing import Any

import geoopt
import torch
from geoopt.manifolds.base import ScalingInfo
from torch import Tensor

from equiform._options import check_flag
from equiform.forms import MinkowskiForm
from equiform.groups import Orthochronous
from equiform.manifolds import _hyperboloid_distances as distances
from equiform.manifolds import _hyperboloid_math as math
from equiform.manifolds._arguments import check_positive
from equiform.manifolds._base import EmbeddingManifold


class Hyperboloid(EmbeddingManifold, geoopt.Lorentz):
    r"""Hyperbolic space :math:`\{x : \langle x, x\rangle = -k, x_0 > 0\}`, as ``geoopt.Lorentz``.

    Points are in :math:`R^{1+d}`, time first; the curvature is -1/k and the origin is
    (√k, 0, …, 0). Methods take points and vectors of shape ``(..., 1 + d)``, broadcast, and take
    geoopt's keyword ``dim`` where geoopt does. Everything is computed in float64 (so on a device
    that has it) and returned in the dtype of the arguments, at least float32; the dtype of k has
    no say. The space part of a point or tangent vector is the data and its time part is
    recomputed, so that a rounded argument means the nearby point of the manifold. No result is
    finite where NaN or infinity is anywhere in its points or vectors, time parts included.

    No point is farther out than its dtype holds: what :meth:`project`, :meth:`expmap` and the like
    would put beyond a space part of length 2⁶³ in float32 (distance 44 at k = 1) or 2²⁵⁰ in float64
    (174) is put there, in its direction. Vectors overflow to infinity as their dtype does.

    A drop-in for ``geoopt.Lorentz``: on points and their tangent vectors each method has its value.
    Elsewhere the space part of a vector that is not tangent decides, in :meth:`inner` at a point
    too, where geoopt projects it or not by ``norm_tan``; ``project=False`` is as True; ``norm(u)``
    is 0 at 0, not 1e-4; :meth:`random_normal` is a wrapped normal in any dtype, where geoopt's
    points all have distance 1.

    Args:
        k: squared radius, positive; a number, held in the default dtype, or a tensor of one
            element.
        learnable: whether gradients flow to k. An optimiser may then drive k to zero or below,
            where nothing is defined: bound it, as MERU does.
        max_radius: how far from the origin :meth:`project` reaches, in units of √k. The Gram
            entries of a loss grow as cosh² of the radius and the distances they encode do not, so
            the radius is bounded by the digits: 3.5 where a Gram loss runs in float32 (its rounding
            is then 2e-5), 10 where it runs in float64 (1e-8). A loss on distances needs no bound
            below 10.

    Raises:
        TypeError, ValueError: where k or ``max_radius`` is not one positive finite number.
    """

    form = MinkowskiForm()
    name = "Hyperboloid"
    __scaling__ = geoopt.Lorentz.__scaling__.copy()

    def __init__(
        self, k: float | Tensor = 1.0, learnable: bool = False, *, max_radius: float = 3.5
    ) -> None:
        check_positive("k", k)
        check_positive("max_radius", max_radius)
        check_flag("learnable", learnable)
        value = torch.as_tensor(k).detach().clone().reshape(())
        check_positive("k", value)  # in the dtype that holds it
        super().__init__(value, learnable)  # type: ignore[arg-type]
        self.max_radius = max_radius

    def extra_repr(self) -> str:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The parameters, for ``repr``."""
        k = "meta" if self.k.is_meta else f"{self.k.item():.6g}"
        return f"k={k}, max_radius={self.max_radius:g}"

    def project(self, z: Tensor) -> Tensor:
        r"""Points from an encoder's output, ``(..., d) -> (..., 1 + d)``.

        ``expmap0`` of :math:`R \tanh(|z| / R)\, z / |z|`, R = ``max_radius`` √k: smooth, apart from
        ``expmap0`` of z only from third order on, and never farther than R.
        """
        return math.lift(z, k=self.k, max_radius=self.max_radius)

    def ambient_dim(self, d: int) -> int:
        """d + 1: the time coordinate follows from the d that the encoder gives."""
        return d + 1

    def isometry_group(self, d: int) -> Orthochronous:
        """O⁺(1, d-1): half of the form's group takes the upper sheet to the lower one."""
        return Orthochronous(d)

    @__scaling__(ScalingInfo(1))
    def similarity(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Minus the geodesic distance, as in MERU; shapes as :meth:`pairwise_dist`.

        Source: Desai et al., Hyperbolic image-text representations, ICML 2023.
        """
        return -self.pairwise_dist(x, y)

    @__scaling__(ScalingInfo(1))
    def pairwise_dist(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Distances between all rows, ``(..., n, 1 + d), (..., m, 1 + d) -> (..., n, m)``.

        Where :meth:`dist` has a relative error of 1e-16 cosh(r), this has an absolute one.
        """
        return distances.pairwise_dist(x, x if y is None else y, k=self.k)

    def log_cosh_dist(
        self, x: Tensor, y: Tensor, *, keepdim: bool = False, dim: int = -1
    ) -> Tensor:
        r"""The link :math:`\log\cosh(d / \sqrt{k})`, shapes as :meth:`dist`; smooth everywhere.

        Quadratic where d is small and linear where it is large, so that far pairs do not dominate
        a loss as they do through the Gram entry :math:`-k \cosh(d / \sqrt{k})`.
        """
        return distances.log_cosh_dist(x, y, k=self.k, keepdim=keepdim, dim=dim)

    def pairwise_log_cosh_dist(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """:meth:`log_cosh_dist` between all rows, shapes as :meth:`pairwise_dist`."""
        return distances.pairwise_log_cosh_dist(x, x if y is None else y, k=self.k)

    def log_cosh_products(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """:meth:`pairwise_log_cosh_dist` from products, faster; its error is 1e-16 cosh² r."""
        return distances.log_cosh_products(x, x if y is None else y, k=self.k)

    def dist(self, x: Tensor, y: Tensor, *, keepdim: bool = False, dim: int = -1) -> Tensor:
        """Geodesic distance, ``(..., 1 + d) -> (...)``; zero, with all derivatives, at ``x = y``.

        Its square :meth:`dist2` has the right ones there.
        """
        return distances.dist(x, y, k=self.k, keepdim=keepdim, dim=dim)

    def dist2(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, x: Tensor, y: Tensor, *, keepdim: bool = False, dim: int = -1
    ) -> Tensor:
        """:meth:`dist` squared, ``(..., 1 + d) -> (...)``, smooth at ``x = y`` too."""
        return distances.dist2(x, y, k=self.k, keepdim=keepdim, dim=dim)

    def dist0(self, x: Tensor, *, dim: int = -1, keepdim: bool = False) -> Tensor:
        """Geodesic distance to the origin, ``(..., 1 + d) -> (...)``."""
        return distances.dist0(x, k=self.k, keepdim=keepdim, dim=dim)

    def inner(
        self,
        x: Tensor | None,
        u: Tensor,
        v: Tensor | None = None,
        *,
        keepdim: bool = False,
        dim: int = -1,
    ) -> Tensor:
        """Inner product of tangent vectors at ``x``; without it, the Minkowski product of any."""
        return math.inner(x, u, u if v is None else v, k=self.k, keepdim=keepdim, dim=dim)

    def inner0(self, v: Tensor, *, keepdim: bool = False, dim: int = -1) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The Minkowski product with the origin, -√k v₀, ``(..., 1 + d) -> (...)``."""
        return math.inner0(v, k=self.k, keepdim=keepdim, dim=dim)

    def norm(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        x: Tensor | None = None,
        u: Tensor | None = None,
        *,
        keepdim: bool = False,
        dim: int = -1,
    ) -> Tensor:
        """Length of a tangent vector at ``x``, with gradient zero at zero.

        ``norm(u)``, as in geoopt.Lorentz, is the root of a difference of two squares: less exact.
        """
        if x is not None and u is not None:
            return math.norm(x, u, k=self.k, keepdim=keepdim, dim=dim)
        return math.root(self.inner(None, x if u is None else u, keepdim=keepdim, dim=dim))  # type: ignore[arg-type]

    def projx(self, x: Tensor, *, dim: int = -1) -> Tensor:
        """The point with the space part of ``x``, shape ``(..., 1 + d)``."""
        return math.project(x, k=self.k, dim=dim)

    def proju(self, x: Tensor, v: Tensor, *, dim: int = -1) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Orthogonal projection of any vector to the tangent space at ``x``."""
        return math.project_tangent(x, v, k=self.k, dim=dim)

    def egrad2rgrad(self, x: Tensor, u: Tensor, *, dim: int = -1) -> Tensor:
        """The Riemannian gradient of a Euclidean one: :meth:`proju` after a sign change in time."""
        return math.riemannian_gradient(x, u, k=self.k, dim=dim)

    def expmap(
        self, x: Tensor, u: Tensor, *, norm_tan: bool = True, project: bool = True, dim: int = -1
    ) -> Tensor:
        """The point that the geodesic from ``x`` with velocity ``u`` reaches at time 1."""
        return math.expmap(x, u, k=self.k, dim=dim)

    retr = expmap

    def expmap0(self, u: Tensor, *, project: bool = True, dim: int = -1) -> Tensor:
        """:meth:`expmap` at the origin."""
        return math.expmap0(u, k=self.k, dim=dim)

    def geodesic_unit(
        self, t: Tensor, x: Tensor, u: Tensor, *, dim: int = -1, project: bool = True
    ) -> Tensor:
        """The geodesic from ``x`` with unit velocity ``u`` at time ``t``, broadcast with ``u``."""
        return math.geodesic(x, u, t=t, k=self.k, dim=dim)

    def logmap(self, x: Tensor, y: Tensor, *, dim: int = -1) -> Tensor:
        """The tangent vector at ``x`` that leads to ``y``; its length is their distance."""
        return math.logmap(x, y, k=self.k, dim=dim)

    def logmap0(self, y: Tensor, *, dim: int = -1) -> Tensor:
        """:meth:`logmap` at the origin."""
        return math.logmap0(y, k=self.k, dim=dim)

    @__scaling__(ScalingInfo(1))
    def logmap0back(self, x: Tensor, *, dim: int = -1) -> Tensor:
        """The tangent vector at ``x`` that leads to the origin."""
        return math.logmap(x, torch.zeros_like(x), k=self.k, dim=dim)

    def transp(self, x: Tensor, y: Tensor, v: Tensor, *, dim: int = -1) -> Tensor:
        """Parallel transport of ``v`` along the geodesic from ``x`` to ``y``: an isometry."""
        return math.transport(x, y, v, k=self.k, dim=dim)

    def transp0(self, y: Tensor, u: Tensor, *, dim: int = -1) -> Tensor:
        """Parallel transport from the origin to ``y``."""
        return math.transport(torch.zeros_like(y), y, u, k=self.k, dim=dim)

    def transp0back(self, x: Tensor, u: Tensor, *, dim: int = -1) -> Tensor:
        """Parallel transport from ``x`` to the origin."""
        return math.transport_to_origin(x, u, k=self.k, dim=dim)

    def random_normal(
        self,
        *size: Any,
        mean: float | Tensor = 0.0,
        std: float | Tensor = 1.0,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
        generator: torch.Generator | None = None,
    ) -> geoopt.ManifoldTensor:
        """Wrapped normal at the origin, of shape ``size``: exp of a normal tangent vector there.

        ``mean`` and ``std`` are of its d coordinates, in units of distance; dtype and device are
        those of k where left out.
        """
        dtype = self._sampled(self.k.dtype if dtype is None else dtype)
        shape, device = self._shape(size), device or self.k.device
        normal = torch.randn(shape, dtype=dtype, device=device, generator=generator)
        return self._tensor(self.expmap0(normal * std + mean))

    random = random_normal

    def _check_point_on_manifold(
        self, x: Tensor, *, atol: float = 1e-5, rtol: float = 1e-5, dim: int = -1
    ) -> tuple[bool, str | None]:
        # Not <x, x> = -k: far out that is the difference of two squares, both rounded.
        projected = self.projx(x, dim=dim)
        if ((x - projected).abs() <= atol + rtol * projected.abs()).all():
            return True, None
        return False, f"x0 is not sqrt(k + |x_space|^2) at k={self.k.item():.6g}; use projx(x)"

    def _check_vector_on_tangent(
        self, x: Tensor, u: Tensor, *, atol: float = 1e-5, rtol: float = 1e-5, dim: int = -1
    ) -> tuple[bool, str | None]:
        completed = math.complete_tangent(x, u, k=self.k, dim=dim)
        size = torch.linalg.vector_norm(completed, dim=dim, keepdim=True)
        if ((u - completed).abs() <= atol + rtol * size).all():
            return True, None
        return False, "u0 is not <x_space, u_space> / x0; use proju(x, u)"
