"""The unit sphere: the manifold of the Euclidean form."""

from __future__ import annotations

import functools
from typing import Any

import geoopt
import torch
from geoopt.manifolds.base import ScalingInfo
from torch import Tensor

from equiform._points import at_least
from equiform.forms import EuclideanForm
from equiform.manifolds._base import EmbeddingManifold


class Sphere(EmbeddingManifold, geoopt.Sphere):
    r"""The unit sphere :math:`\{x \in R^d : \langle x, x\rangle = 1\}`, as ``geoopt.Sphere``.

    A drop-in for it, which replaces what is inexact there: ``dist`` (an acos of a clamped product,
    wrong by 1e-2 rad at coincident points in float32), ``transp`` (a projection, which is no
    isometry), ``logmap`` and ``expmap`` (blended below a threshold), ``norm`` and ``projx`` (not
    finite at zero). The origin is the first basis vector, not a random point. A sphere inside a
    subspace has a smaller isometry group than O(d), so geoopt's ``intersection`` and
    ``complement`` are not taken.

    Half precision is computed and returned in float32 by :meth:`project`, :meth:`dist`,
    :meth:`pairwise_dist` and :meth:`similarity`.
    """

    form = EuclideanForm()
    #: Contrastive losses may score pairs by their streaming kernels.
    inner_product_similarity = True
    __scaling__ = geoopt.Sphere.__scaling__.copy()

    inner = geoopt.Sphere.inner
    proju = geoopt.Sphere.proju
    retr = geoopt.Sphere.retr
    egrad2rgrad = proju

    def __init__(self) -> None:
        super().__init__()

    def project(self, z: Tensor) -> Tensor:
        r""":math:`z / |z|`, shape ``(..., d) -> (..., d)``.

        Zero has no direction: it goes to the first basis vector, with gradient zero.
        """
        return self.projx(*at_least(torch.float32, z))

    def projx(self, x: Tensor) -> Tensor:
        """The nearest point, shape ``(..., d)``; zero goes to the first basis vector."""
        # Divided by its largest entry first, x neither overflows nor underflows when squared. The
        # direction does not depend on the scale, so neither does the gradient: it may be detached.
        scale = x.detach().abs().amax(dim=-1, keepdim=True)
        zero = scale < torch.finfo(x.dtype).tiny  # and not of NaN, which stays
        pole = torch.zeros_like(x)
        pole[..., 0] = 1
        x = torch.where(zero, pole, x) / torch.where(zero, 1, scale)
        return x / torch.linalg.vector_norm(x, dim=-1, keepdim=True)

    def norm(self, x: Tensor, u: Tensor, *, keepdim: bool = False) -> Tensor:
        """Length of a tangent vector, with gradient zero at zero."""
        return torch.linalg.vector_norm(torch.broadcast_tensors(x, u)[1], dim=-1, keepdim=keepdim)

    def dist(self, x: Tensor, y: Tensor, *, keepdim: bool = False) -> Tensor:
        r"""Angle in radians, :math:`2\,\mathrm{atan2}(|x - y|, |x + y|)`, ``(..., d) -> (...)``.

        Exact to rounding at every angle (Kahan), where acos loses half the digits near 0 and π. The
        gradient is zero at coincident points and at antipodes, where there is none.
        """
        x, y = at_least(torch.float32, x, y)
        norm = functools.partial(torch.linalg.vector_norm, dim=-1, keepdim=keepdim)
        return _angle(norm(x - y), norm(x + y))

    @__scaling__(ScalingInfo(1))
    def pairwise_dist(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Angles in radians between all rows, ``(..., n, d), (..., m, d) -> (..., n, m)``.

        It can be differentiated once (as ``torch.cdist``); see :meth:`dist`.
        """
        x, y = at_least(torch.float32, x, x if y is None else y)
        # The default of cdist goes through |x|² + |y|² - 2xy above 25 rows, which cancels.
        chords = functools.partial(torch.cdist, compute_mode="donot_use_mm_for_euclid_dist")
        return _angle(chords(x, y), chords(x, -y))

    def similarity(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Inner products (cosines), ``(..., n, d), (..., m, d) -> (..., n, m)``."""
        return self.form.gram(*at_least(torch.float32, x, x if y is None else y))

    def expmap(self, x: Tensor, u: Tensor) -> Tensor:
        r""":math:`\cos|u|\,x + \mathrm{sinc}|u|\,u`, shapes ``(..., d), (..., d) -> (..., d)``."""
        angle = torch.linalg.vector_norm(u, dim=-1, keepdim=True)
        # torch.sinc(t) is sin(πt)/(πt), smooth through zero.
        return self.projx(torch.cos(angle) * x + torch.sinc(angle / torch.pi) * u)

    def logmap(self, x: Tensor, y: Tensor) -> Tensor:
        """The tangent vector at ``x`` that leads to ``y``; zero for antipodes, joined by many."""
        # y ± x project alike; the shorter of the two is rounded least.
        near = (x * y).sum(-1, keepdim=True) > 0
        u = self.proju(x, torch.where(near, y - x, y + x))
        sine = torch.linalg.vector_norm(u, dim=-1, keepdim=True)
        angle = self.dist(x, y, keepdim=True)
        moved = sine > 0
        return u * torch.where(moved, angle / torch.where(moved, sine, 1), 1)

    def transp(self, x: Tensor, y: Tensor, v: Tensor) -> Tensor:
        """Parallel transport of ``v`` along the geodesic from ``x`` to ``y``: an isometry.

        What of ``v`` is not tangent at ``x`` is dropped. Between antipodes the result is ``v``.
        """
        # The reflection in the hyperplane normal to m = x + y takes x to -y, hence T_x to T_y; it
        # fixes what is normal to the geodesic and turns the geodesic's own direction along it.
        m = x + y
        square = (m * m).sum(-1, keepdim=True)
        apart = square > 0
        weight = torch.where(apart, (m * v).sum(-1, keepdim=True), 0)
        return self.proju(y, v - 2 * weight / torch.where(apart, square, 1) * m)

    def random_uniform(
        self,
        *size: Any,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
        generator: torch.Generator | None = None,
    ) -> geoopt.ManifoldTensor:
        """Points drawn uniformly, of shape ``size``."""
        normal = torch.randn(self._shape(size), dtype=dtype, device=device, generator=generator)
        return self._tensor(self.projx(normal))

    random = random_uniform


def _angle(apart: Tensor, along: Tensor) -> Tensor:
    # Both lengths are infinite for a point at infinity, where atan2 would answer π/4; 0 · ∞ is NaN.
    return 2 * torch.atan2(apart, along) + 0 * apart
