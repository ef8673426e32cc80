"""The geometry of the unit sphere, stateless.

Every function takes points and vectors ``(..., d)``, broadcasts, and answers in the dtype of its
tensors, at least float32, computed in float64: differences of products keep their digits, and the
squares of float32 numbers neither overflow nor underflow.
"""

from __future__ import annotations

import torch
from torch import Tensor

from equiform.forms import EuclideanForm
from equiform.manifolds._lengths import bend, length, root, slope, squared, squared_chords
from equiform.manifolds._precision import in_float64

FORM = EuclideanForm()


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum(-1, keepdim=True)


def _drop(x: Tensor, keepdim: bool) -> Tensor:
    return x if keepdim else x.squeeze(-1)


@in_float64
def project(z: Tensor, *, tiny: float = 0.0) -> Tensor:
    """z / |z|, and the first basis vector at zero; with gradient zero where z is all below tiny."""
    # Divided by its largest entry first, z neither overflows nor underflows when squared. The
    # direction does not depend on the scale, so neither does the gradient: it may be detached.
    scale = z.detach().abs().amax(dim=-1, keepdim=True)
    zero = scale == 0  # and not of NaN, which stays
    z = torch.where(scale < tiny, z.detach(), z)
    pole = torch.zeros_like(z)
    pole[..., 0] = 1
    z = torch.where(zero, pole, z) / torch.where(zero, 1, scale)
    return z / torch.linalg.vector_norm(z, dim=-1, keepdim=True)


@in_float64
def project_tangent(x: Tensor, u: Tensor) -> Tensor:
    """Orthogonal projection to the tangent space."""
    return u - _dot(x, u) * x


@in_float64
def inner(x: Tensor, u: Tensor, v: Tensor, *, keepdim: bool = False) -> Tensor:
    """The Euclidean product, which no point changes, but one that is none."""
    product = FORM.inner(u + 0 * x, v)
    return product[..., None] if keepdim else product


@in_float64
def norm(x: Tensor, u: Tensor, *, keepdim: bool = False) -> Tensor:
    """Length of a tangent vector."""
    return _drop(length(u + 0 * x), keepdim)


def _angle(apart: Tensor, along: Tensor) -> Tensor:
    # Both lengths are infinite for a point at infinity, where atan2 would answer π/4; 0 · ∞ is NaN.
    return 2 * torch.atan2(apart, along) + 0 * apart


@in_float64
def dist(x: Tensor, y: Tensor, *, keepdim: bool = False) -> Tensor:
    """Angle."""
    return _drop(_angle(length(x - y), length(x + y)), keepdim)


@in_float64
def dist2(x: Tensor, y: Tensor, *, keepdim: bool = False) -> Tensor:
    """The square of the angle, smooth at coincident points too."""
    apart, along = squared(x - y), squared(x + y)
    # Of the half-angle the tangent's square is smooth; beyond a right angle the distance is.
    wide = apart > along
    q = torch.where(wide, 0, apart) / torch.where(wide | (along == 0), 1, along)
    near = 4 * q * slope(torch.atan, -1 / 3, root(q), q).square()
    return _drop(torch.where(wide, dist(x, y, keepdim=True).square(), near), keepdim)


@in_float64
def pairwise_dist(x: Tensor, y: Tensor) -> Tensor:
    """Angles between all rows."""
    return _angle(root(squared_chords(x, y)), root(squared_chords(x, -y)))


@in_float64
def expmap(x: Tensor, u: Tensor) -> Tensor:
    """Exponential map."""
    t, q = length(u), squared(u)
    return project(bend(torch.cos, -1, t, q) * x + slope(torch.sin, -1 / 6, t, q) * u)


@in_float64
def retract(x: Tensor, u: Tensor) -> Tensor:
    """The nearest point to x + u."""
    return project(x + u)


@in_float64
def logmap(x: Tensor, y: Tensor) -> Tensor:
    """Logarithm map."""
    # y ± x project alike; the shorter of the two is rounded least.
    u = project_tangent(x, torch.where(_dot(x, y) > 0, y - x, y + x))
    sine = length(u)
    still = sine == 0
    return u * torch.where(still, 1, dist(x, y, keepdim=True) / torch.where(still, 1, sine))


@in_float64
def transport(x: Tensor, y: Tensor, v: Tensor) -> Tensor:
    """Parallel transport."""
    # The reflection in the hyperplane normal to m = x + y takes x to -y, hence T_x to T_y; it
    # fixes what is normal to the geodesic and turns the geodesic's own direction along it.
    m = x + y
    square = squared(m)
    opposite = square == 0
    weight = torch.where(opposite, 0, _dot(m, v)) / torch.where(opposite, 1, square)
    return project_tangent(y, v - 2 * weight * m)
