r"""The geometry of the hyperboloid :math:`\langle x, x\rangle = -k, x_0 > 0`, stateless.

Two rules make it accurate where geoopt's formulas lose all digits:

*The space part is the data, the time part follows from it.* A point is :math:`x_0 = \sqrt{k +
|x_s|^2}`, a tangent vector :math:`u_0 = x_s \cdot u_s / x_0`. What is stored there is read by
:func:`project_tangent` only, whose argument is not tangent yet. Rounding then moves a point along
the manifold, by 1 unit in the last place of :math:`x_s`, never off it; and the norm of a tangent
vector is not the difference of two squares, each :math:`\cosh^2 r` times as large.

*The half-chord replaces the inner product.* :math:`q = \langle x - y, x - y\rangle / k` gives
:math:`\cosh d = 1 + q/2`, hence d = 2 asinh(√q / 2). Expand, with k = 1 and :math:`|x_s|^2 =
x_0^2 - 1`,

.. math::
    |y_0 x_s - x_0 y_s|^2 + (x_0 - y_0)^2 = 2 x_0 y_0 (x_0 y_0 - x_s \cdot y_s - 1) = x_0 y_0 q.

Both terms are nonnegative, and both differences can be formed from :math:`x_s - y_s`, which is
exact for close points (Sterbenz): :math:`x_0 - y_0 = (x_s - y_s) \cdot (x_s + y_s) / (x_0 + y_0)`
and :math:`y_0 x_s - x_0 y_s = y_0 (x_s - y_s) - (x_0 - y_0) y_s`. A rounding error u enters d as
u cosh r, relative to d and however small d is; the acosh of the inner product has u cosh² r / d².
Nothing is singular, at the origin either, so autograd of this formula is right everywhere; a
double where guards the one square root at coincident points.

*Computed in float64.* The gradient :math:`\nabla q = 2 (y_0 x_s - x_0 y_s) / x_0` has a radial
part smaller by cosh² r than the terms it is the difference of. In float32 that costs 3e-5 of the
gradient at r = 4 and 0.3 of it at r = 8; float64 has the digits. Largest relative errors over
separations 1e-6 to 10, against 50 digits:

=============================  =====  =====  =====  =====
float64, at radius             2      8      10     12
=============================  =====  =====  =====  =====
dist                           5e-16  4e-14  2e-13  2e-12
its gradient                   3e-15  6e-10  2e-08  2e-06
|x_s - y_s|² - (x_0 - y_0)²    1e-09  2e-04  2e-02  1
acosh(-<x, y>) (geoopt 0.5.1)  4e-03  3e+01  2e+02  2e+03
=============================  =====  =====  =====  =====

Float32 arguments, read exactly, give 6e-8 in both up to radius 10: the rounding of the answer.

Every function takes points and vectors with coordinates along ``dim``, time first, broadcasts,
and answers in the dtype of its tensors, at least float32. ``k`` is a scalar tensor.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from equiform.manifolds._precision import in_float64


def _slope(fn: Callable[[Tensor], Tensor], cubic: float, t: Tensor) -> Tensor:
    """fn(t) / t of an odd function t + cubic t³ + …, smooth through zero."""
    # Below 1e-4 the next term of the series, of order t⁴, is under the rounding of float64.
    far = t > 1e-4
    wide = torch.where(far, t, 1)
    return torch.where(far, fn(wide) / wide, 1 + cubic * t * t)


def _sinhc(t: Tensor) -> Tensor:
    return _slope(torch.sinh, 1 / 6, t)


def _asinhc(t: Tensor) -> Tensor:
    return _slope(torch.asinh, -1 / 6, t)


def root(q: Tensor) -> Tensor:
    """The square root of a square: its gradient at zero is zero, not infinite."""
    zero = q <= 0  # and not of NaN, which stays
    return torch.where(zero, 0, torch.where(zero, 1, q).sqrt())


def _dot(a: Tensor, b: Tensor, dim: int) -> Tensor:
    return (a * b).sum(dim=dim, keepdim=True)


def _norm(a: Tensor, dim: int) -> Tensor:
    return torch.linalg.vector_norm(a, dim=dim, keepdim=True)


def _space(x: Tensor, dim: int) -> Tensor:
    return x.narrow(dim, 1, x.size(dim) - 1)


def _time(xs: Tensor, k: Tensor, dim: int) -> Tensor:
    return torch.sqrt(k + _dot(xs, xs, dim))


def _point(xs: Tensor, k: Tensor, dim: int) -> Tensor:
    """The point with space part ``xs``."""
    return torch.cat([_time(xs, k, dim), xs], dim=dim)


def _tangent(xs: Tensor, us: Tensor, k: Tensor, dim: int) -> Tensor:
    """The vector with space part ``us`` that is tangent at the point with space part ``xs``."""
    return torch.cat([_dot(xs, us, dim) / _time(xs, k, dim), us], dim=dim)


def _to_origin(xs: Tensor, us: Tensor, k: Tensor, dim: int) -> Tensor:
    """Coordinates of a tangent vector in the orthonormal frame carried out from the origin.

    Parallel transport along the ray from x to the origin, an isometry: there the metric is the
    Euclidean one.
    """
    x0 = _time(xs, k, dim)
    return us - xs * (_dot(xs, us, dim) / (x0 * (x0 + k.sqrt())))


def _rise(delta: Tensor, xs: Tensor, ys: Tensor, x0: Tensor, y0: Tensor, dim: int) -> Tensor:
    """x0 - y0 without cancellation, from ``delta`` = xs - ys."""
    return _dot(delta, xs + ys, dim) / (x0 + y0)


def _squared_chord(xs: Tensor, ys: Tensor, k: Tensor, dim: int) -> Tensor:
    """q of the module's docstring."""
    x0, y0 = _time(xs, k, dim), _time(ys, k, dim)
    delta = xs - ys
    rise = _rise(delta, xs, ys, x0, y0, dim)
    # y0 xs - x0 ys, written from the lower point: from the higher one it cancels by e^d.
    lower = torch.where(x0 < y0, xs, ys)
    turn = torch.minimum(x0, y0) * delta - rise * lower
    return (_dot(turn, turn, dim) / k + rise * rise) / (x0 * y0)


def _pairwise_squared_chord(x: Tensor, y: Tensor, k: Tensor) -> Tensor:
    """q between all rows in O(n m) memory, from heights and distances in the Klein ball.

    With κ = x_s / x_0 the first term of q is x_0 y_0 |κ_x - κ_y|². Formed from rounded κ and x_0,
    the distance has an absolute error of u cosh r.
    """
    xs, ys = _space(x, -1), _space(y, -1)
    x0, y0 = _time(xs, k, -1), _time(ys, k, -1)
    # The default of cdist goes through |x|² + |y|² - 2xy above 25 rows, which cancels.
    klein = torch.cdist(xs / x0, ys / y0, compute_mode="donot_use_mm_for_euclid_dist")
    area, rise = x0 * y0.mT, x0 - y0.mT
    return area * klein * klein / k + rise * rise / area


def _length(q: Tensor, k: Tensor) -> Tensor:
    """Geodesic distance from the squared chord."""
    return 2 * k.sqrt() * torch.asinh(root(q) / 2)


def _drop(x: Tensor, dim: int, keepdim: bool) -> Tensor:
    return x if keepdim else x.squeeze(dim)


@in_float64
def dist(x: Tensor, y: Tensor, *, k: Tensor, keepdim: bool = False, dim: int = -1) -> Tensor:
    """Geodesic distance."""
    q = _squared_chord(_space(x, dim), _space(y, dim), k, dim)
    return _drop(_length(q, k), dim, keepdim)


@in_float64
def log_cosh_dist(
    x: Tensor, y: Tensor, *, k: Tensor, keepdim: bool = False, dim: int = -1
) -> Tensor:
    """log cosh(d / √k) = log(1 + q/2)."""
    q = _squared_chord(_space(x, dim), _space(y, dim), k, dim)
    return _drop(torch.log1p(q / 2), dim, keepdim)


@in_float64
def pairwise_dist(x: Tensor, y: Tensor, *, k: Tensor) -> Tensor:
    """Geodesic distances between all rows."""
    return _length(_pairwise_squared_chord(x, y, k), k)


@in_float64
def pairwise_log_cosh_dist(x: Tensor, y: Tensor, *, k: Tensor) -> Tensor:
    """log cosh(d / √k) between all rows."""
    return torch.log1p(_pairwise_squared_chord(x, y, k) / 2)


@in_float64
def log_cosh_products(x: Tensor, y: Tensor, *, k: Tensor) -> Tensor:
    """log cosh(d / √k) between all rows, as the logarithm of -<x, y> / k."""
    xs, ys = _space(x, -1), _space(y, -1)
    return torch.log((_time(xs, k, -1) * _time(ys, k, -1).mT - xs @ ys.mT) / k)


@in_float64
def dist0(x: Tensor, *, k: Tensor, keepdim: bool = False, dim: int = -1) -> Tensor:
    """Geodesic distance to the origin."""
    radius = k.sqrt()
    return _drop(radius * torch.asinh(_norm(_space(x, dim), dim) / radius), dim, keepdim)


@in_float64
def project(x: Tensor, *, k: Tensor, dim: int = -1) -> Tensor:
    """The point with the space part of ``x``."""
    return _point(_space(x, dim), k, dim)


@in_float64
def project_tangent(x: Tensor, v: Tensor, *, k: Tensor, dim: int = -1) -> Tensor:
    r"""Orthogonal projection to the tangent space, :math:`v + \langle x, v\rangle x / k`."""
    xs, vs = _space(x, dim), _space(v, dim)
    product = _dot(xs, vs, dim) - _time(xs, k, dim) * v.narrow(dim, 0, 1)
    return _tangent(xs, vs + xs * (product / k), k, dim)


@in_float64
def complete_tangent(x: Tensor, u: Tensor, *, k: Tensor, dim: int = -1) -> Tensor:
    """The tangent vector at ``x`` with the space part of ``u``."""
    return _tangent(_space(x, dim), _space(u, dim), k, dim)


@in_float64
def inner(
    x: Tensor | None, u: Tensor, v: Tensor, *, k: Tensor, keepdim: bool = False, dim: int = -1
) -> Tensor:
    """The metric at ``x``, never negative for u = v; the Minkowski product without a point."""
    us, vs = _space(u, dim), _space(v, dim)
    if x is None:
        product = _dot(us, vs, dim) - u.narrow(dim, 0, 1) * v.narrow(dim, 0, 1)
    else:
        xs = _space(x, dim)
        product = _dot(_to_origin(xs, us, k, dim), _to_origin(xs, vs, k, dim), dim)
    return _drop(product, dim, keepdim)


@in_float64
def norm(x: Tensor, u: Tensor, *, k: Tensor, keepdim: bool = False, dim: int = -1) -> Tensor:
    """Length of a tangent vector."""
    length = _norm(_to_origin(_space(x, dim), _space(u, dim), k, dim), dim)
    return _drop(length, dim, keepdim)


@in_float64
def expmap(x: Tensor, u: Tensor, *, k: Tensor, dim: int = -1) -> Tensor:
    """Exponential map."""
    xs, us = _space(x, dim), _space(u, dim)
    t = _norm(_to_origin(xs, us, k, dim), dim) / k.sqrt()
    return _point(torch.cosh(t) * xs + _sinhc(t) * us, k, dim)


@in_float64
def expmap0(u: Tensor, *, k: Tensor, dim: int = -1) -> Tensor:
    """Exponential map at the origin."""
    us = _space(u, dim)
    return _point(_sinhc(_norm(us, dim) / k.sqrt()) * us, k, dim)


@in_float64
def lift(z: Tensor, *, k: Tensor, max_radius: float) -> Tensor:
    """exp at the origin of R tanh(|z| / R) z / |z|, R = max_radius √k; (..., d) -> (..., d + 1)."""
    v = _slope(torch.tanh, -1 / 3, _norm(z, -1) / (max_radius * k.sqrt())) * z
    return _point(_sinhc(_norm(v, -1) / k.sqrt()) * v, k, -1)


@in_float64
def logmap(x: Tensor, y: Tensor, *, k: Tensor, dim: int = -1) -> Tensor:
    """Logarithm map: d / sinh d times y - cosh(d) x = (y - x) - (q/2) x."""
    xs, ys = _space(x, dim), _space(y, dim)
    q = _squared_chord(xs, ys, k, dim)
    h = root(q) / 2
    # d / sinh d, because d = 2 asinh h and sinh d = 2 h √(1 + h²).
    stretch = _asinhc(h) / torch.sqrt(1 + h * h)
    return _tangent(xs, stretch * (ys - xs - q / 2 * xs), k, dim)


@in_float64
def logmap0(y: Tensor, *, k: Tensor, dim: int = -1) -> Tensor:
    """Logarithm map at the origin."""
    ys = _space(y, dim)
    vs = _asinhc(_norm(ys, dim) / k.sqrt()) * ys
    return torch.cat([torch.zeros_like(y.narrow(dim, 0, 1)), vs], dim=dim)


@in_float64
def transport(x: Tensor, y: Tensor, v: Tensor, *, k: Tensor, dim: int = -1) -> Tensor:
    r"""Parallel transport from ``x`` to ``y``.

    .. math:: v + \frac{\langle y, v\rangle}{k - \langle x, y\rangle} (x + y)

    The denominator k (2 + q/2) is never zero, and <y, v> = <y - x, v> does not cancel.
    """
    xs, ys, vs = _space(x, dim), _space(y, dim), _space(v, dim)
    x0, y0 = _time(xs, k, dim), _time(ys, k, dim)
    delta = xs - ys
    v0 = _dot(xs, vs, dim) / x0
    along = _rise(delta, xs, ys, x0, y0, dim) * v0 - _dot(delta, vs, dim)
    weight = along / (2 + _squared_chord(xs, ys, k, dim) / 2)
    return _tangent(ys, vs + weight / k * (xs + ys), k, dim)


@in_float64
def transport_to_origin(x: Tensor, v: Tensor, *, k: Tensor, dim: int = -1) -> Tensor:
    """Parallel transport from ``x`` to the origin."""
    vs = _to_origin(_space(x, dim), _space(v, dim), k, dim)
    return torch.cat([torch.zeros_like(vs.narrow(dim, 0, 1)), vs], dim=dim)
