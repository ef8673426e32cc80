r"""The geometry of the hyperboloid :math:`\langle x, x\rangle = -k, x_0 > 0`, stateless.

Two rules make it accurate where geoopt's formulas lose all digits: the space part is the data
(``_hyperboloid_coordinates``), and the half-chord replaces the inner product
(``_hyperboloid_distances``). Stored time parts are read by :func:`project_tangent` only, whose
argument is not tangent yet, and by products without a point.

Every function takes points and vectors with coordinates along ``dim``, time first, broadcasts, and
answers in the dtype of its tensors, at least float32, computed in float64. ``k`` is a scalar
tensor.
"""

from __future__ import annotations

import torch
from torch import Tensor

from equiform.manifolds._hyperboloid_coordinates import (
    climb,
    dot,
    drop,
    parts,
    points,
    space,
    tangent,
    time,
    to_origin,
    whole,
)
from equiform.manifolds._hyperboloid_distances import asinhc, squared_chord
from equiform.manifolds._lengths import bend, length, root, slope, squared, within
from equiform.manifolds._precision import in_float64

#: The longest step, in units of √k: from one end of the reach to the other, where cosh is finite.
STEP = 400.0


def _from_origin(us: Tensor, t: Tensor, k: Tensor, dim: int) -> Tensor:
    """The space part of exp of a vector at the origin, of length t in units of √k."""
    us = within(us, t, STEP)
    return slope(torch.sinh, 1 / 6, t.clamp(max=STEP), squared(us, dim) / k) * us


@points
def project(x: Tensor, *, k: Tensor, dim: int = -1) -> Tensor:
    """The point with the space part of ``x``."""
    return space(x, dim)


@in_float64
def project_tangent(x: Tensor, v: Tensor, *, k: Tensor, dim: int = -1) -> Tensor:
    r"""Orthogonal projection to the tangent space, :math:`v + \langle x, v\rangle x / k`."""
    xs, (v0, vs) = space(x, dim), parts(v, dim)
    product = dot(xs, vs, dim) - time(xs, k, dim) * v0
    return tangent(xs, vs + xs * (product / k), k, dim)


@in_float64
def riemannian_gradient(x: Tensor, u: Tensor, *, k: Tensor, dim: int = -1) -> Tensor:
    """A Euclidean gradient as a tangent vector: projected after a sign change in time."""
    u0, us = parts(u, dim)
    return project_tangent(x, torch.cat([-u0, us], dim=dim), k=k, dim=dim)


@in_float64
def complete_tangent(x: Tensor, u: Tensor, *, k: Tensor, dim: int = -1) -> Tensor:
    """The tangent vector at ``x`` with the space part of ``u``."""
    return tangent(space(x, dim), space(u, dim), k, dim)


@in_float64
def inner(
    x: Tensor | None, u: Tensor, v: Tensor, *, k: Tensor, keepdim: bool = False, dim: int = -1
) -> Tensor:
    """The metric at ``x``, never negative for u = v; the Minkowski product without a point."""
    us, vs = space(u, dim), space(v, dim)
    if x is None:
        product = dot(us, vs, dim) - parts(u, dim)[0] * parts(v, dim)[0]
    else:
        xs = space(x, dim)
        product = dot(to_origin(xs, us, k, dim), to_origin(xs, vs, k, dim), dim)
    return drop(product, dim, keepdim)


@in_float64
def inner0(v: Tensor, *, k: Tensor, keepdim: bool = False, dim: int = -1) -> Tensor:
    """The Minkowski product with the origin, whose space part is zero."""
    v0, vs = parts(v, dim)
    return drop((0 * vs).sum(dim, keepdim=True) - k.sqrt() * v0, dim, keepdim)


@in_float64
def norm(x: Tensor, u: Tensor, *, k: Tensor, keepdim: bool = False, dim: int = -1) -> Tensor:
    """Length of a tangent vector."""
    size = length(to_origin(space(x, dim), space(u, dim), k, dim), dim)
    return drop(size, dim, keepdim)


@points
def expmap(x: Tensor, u: Tensor, *, k: Tensor, dim: int = -1) -> Tensor:
    """Exponential map."""
    xs, us = space(x, dim), space(u, dim)
    carried = to_origin(xs, us, k, dim)
    t = length(carried, dim) / k.sqrt()
    q = squared(within(carried, t, STEP), dim) / k
    return bend(torch.cosh, 1, t.clamp(max=STEP), q) * xs + _from_origin(us, t, k, dim)


@points
def geodesic(x: Tensor, u: Tensor, *, t: Tensor | float, k: Tensor, dim: int = -1) -> Tensor:
    """Exponential map of t u."""
    return space(expmap(x, t * u, k=k, dim=dim), dim)


@points
def expmap0(u: Tensor, *, k: Tensor, dim: int = -1) -> Tensor:
    """Exponential map at the origin."""
    us = space(u, dim)
    return _from_origin(us, length(us, dim) / k.sqrt(), k, dim)


@points
def lift(z: Tensor, *, k: Tensor, max_radius: float, dim: int = -1) -> Tensor:
    """exp at the origin of R tanh(|z| / R) z / |z|, R = max_radius √k; (..., d) -> (..., d + 1)."""
    share = z / (max_radius * k.sqrt())
    t = length(share, dim)
    v = slope(torch.tanh, -1 / 3, t, squared(share, dim)) * z
    return _from_origin(v, max_radius * torch.tanh(t), k, dim)


@in_float64
def logmap(x: Tensor, y: Tensor, *, k: Tensor, dim: int = -1) -> Tensor:
    """Logarithm map: d / sinh d times y - cosh(d) x = (y - x) - (q/2) x."""
    xs, ys = space(x, dim), space(y, dim)
    q = squared_chord(xs, ys, k, dim)
    h = root(q) / 2
    # d / sinh d, because d = 2 asinh h and sinh d = 2 h √(1 + h²).
    stretch = asinhc(h, q / 4) / torch.sqrt(1 + q / 4)
    return tangent(xs, stretch * (ys - xs - q / 2 * xs), k, dim)


@in_float64
def logmap0(y: Tensor, *, k: Tensor, dim: int = -1) -> Tensor:
    """Logarithm map at the origin."""
    ys = space(y, dim)
    h = length(ys, dim) / k.sqrt()
    return whole(0 * h.detach(), asinhc(h, squared(ys, dim) / k) * ys, dim)


@in_float64
def transport(x: Tensor, y: Tensor, v: Tensor, *, k: Tensor, dim: int = -1) -> Tensor:
    r"""Parallel transport from ``x`` to ``y``.

    .. math:: v + \frac{\langle y, v\rangle}{k - \langle x, y\rangle} (x + y)

    The denominator k (2 + q/2) is never zero, and <y, v> = <y - x, v> does not cancel.
    """
    xs, ys, vs = space(x, dim), space(y, dim), space(v, dim)
    x0, y0 = time(xs, k, dim), time(ys, k, dim)
    delta = xs - ys
    v0 = dot(xs, vs, dim) / x0
    along = climb(delta, xs, ys, x0, y0, dim) * v0 - dot(delta, vs, dim)
    weight = along / (2 + squared_chord(xs, ys, k, dim) / 2)
    return tangent(ys, vs + weight / k * (xs + ys), k, dim)


@in_float64
def transport_to_origin(x: Tensor, v: Tensor, *, k: Tensor, dim: int = -1) -> Tensor:
    """Parallel transport from ``x`` to the origin."""
    vs = to_origin(space(x, dim), space(v, dim), k, dim)
    return whole(0 * length(vs.detach(), dim), vs, dim)
