r"""Distances on the hyperboloid, from the half-chord instead of the inner product.

:math:`q = \langle x - y, x - y\rangle / k` gives :math:`\cosh d = 1 + q/2`, hence
d = 2 asinh(√q / 2). Expand, with k = 1 and :math:`|x_s|^2 = x_0^2 - 1`,

.. math::
    |y_0 x_s - x_0 y_s|^2 + (x_0 - y_0)^2 = 2 x_0 y_0 (x_0 y_0 - x_s \cdot y_s - 1) = x_0 y_0 q.

Both terms are nonnegative, and both differences can be formed from :math:`x_s - y_s`, which is
exact for close points (Sterbenz): :math:`x_0 - y_0 = (x_s - y_s) \cdot (x_s + y_s) / (x_0 + y_0)`
and :math:`y_0 x_s - x_0 y_s = y_0 (x_s - y_s) - (x_0 - y_0) y_s`. A rounding error u enters d as
u cosh r, relative to d and however small d is; the acosh of the inner product has u cosh² r / d².
Nothing is singular, at the origin either, so autograd of this formula is right everywhere, to any
order; a double where guards the one square root at coincident points.

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
"""

from __future__ import annotations

import torch
from torch import Tensor

from equiform.manifolds._hyperboloid_coordinates import climb, dot, drop, space, time
from equiform.manifolds._lengths import length, root, slope, squared_chords
from equiform.manifolds._precision import in_float64


def squared_chord(xs: Tensor, ys: Tensor, k: Tensor, dim: int) -> Tensor:
    """q of the module's docstring."""
    x0, y0 = time(xs, k, dim), time(ys, k, dim)
    delta = xs - ys
    rise = climb(delta, xs, ys, x0, y0, dim)
    # y0 xs - x0 ys, written from the lower point: from the higher one it cancels by e^d.
    lower = torch.where(x0 < y0, xs, ys)
    turn = torch.minimum(x0, y0) * delta - rise * lower
    return (dot(turn, turn, dim) / k + rise * rise) / (x0 * y0)


def _pairwise_squared_chord(x: Tensor, y: Tensor, k: Tensor) -> Tensor:
    """q between all rows in O(n m) memory, from heights and distances in the Klein ball.

    With κ = x_s / x_0 the first term of q is x_0 y_0 |κ_x - κ_y|². Formed from rounded κ and x_0,
    the distance has an absolute error of u cosh r.
    """
    xs, ys = space(x, -1), space(y, -1)
    x0, y0 = time(xs, k, -1), time(ys, k, -1)
    klein = squared_chords(xs / x0, ys / y0)
    area, rise = x0 * y0.mT, x0 - y0.mT
    return area * klein / k + rise * rise / area


def _dist(q: Tensor, k: Tensor) -> Tensor:
    """Geodesic distance from the squared chord."""
    return 2 * k.sqrt() * torch.asinh(root(q) / 2)


def asinhc(h: Tensor, square: Tensor) -> Tensor:
    """asinh(h) / h."""
    return slope(torch.asinh, -1 / 6, h, square)


@in_float64
def dist(x: Tensor, y: Tensor, *, k: Tensor, keepdim: bool = False, dim: int = -1) -> Tensor:
    """Geodesic distance."""
    q = squared_chord(space(x, dim), space(y, dim), k, dim)
    return drop(_dist(q, k), dim, keepdim)


@in_float64
def dist2(x: Tensor, y: Tensor, *, k: Tensor, keepdim: bool = False, dim: int = -1) -> Tensor:
    """The square of the geodesic distance, smooth at coincident points too."""
    q = squared_chord(space(x, dim), space(y, dim), k, dim)
    return drop(k * q * asinhc(root(q) / 2, q / 4).square(), dim, keepdim)


@in_float64
def log_cosh_dist(
    x: Tensor, y: Tensor, *, k: Tensor, keepdim: bool = False, dim: int = -1
) -> Tensor:
    """log cosh(d / √k) = log(1 + q/2)."""
    q = squared_chord(space(x, dim), space(y, dim), k, dim)
    return drop(torch.log1p(q / 2), dim, keepdim)


@in_float64
def pairwise_dist(x: Tensor, y: Tensor, *, k: Tensor) -> Tensor:
    """Geodesic distances between all rows."""
    return _dist(_pairwise_squared_chord(x, y, k), k)


@in_float64
def pairwise_log_cosh_dist(x: Tensor, y: Tensor, *, k: Tensor) -> Tensor:
    """log cosh(d / √k) between all rows."""
    return torch.log1p(_pairwise_squared_chord(x, y, k) / 2)


@in_float64
def log_cosh_products(x: Tensor, y: Tensor, *, k: Tensor) -> Tensor:
    """log cosh(d / √k) between all rows, as the logarithm of -<x, y> / k."""
    xs, ys = space(x, -1), space(y, -1)
    cosh = (time(xs, k, -1) * time(ys, k, -1).mT - xs @ ys.mT) / k
    # Where rounding leaves nothing of it, far out, cosh would not be positive.
    return torch.log(cosh.clamp(min=0.5))


@in_float64
def dist0(x: Tensor, *, k: Tensor, keepdim: bool = False, dim: int = -1) -> Tensor:
    """Geodesic distance to the origin."""
    radius = k.sqrt()
    return drop(radius * torch.asinh(length(space(x, dim), dim) / radius), dim, keepdim)
