r"""Coordinates on the hyperboloid, where the space part is the data.

The time part follows from it: a point has :math:`x_0 = \sqrt{k + |x_s|^2}`, a tangent vector
:math:`u_0 = x_s \cdot u_s / x_0`. Rounding then moves a point along the manifold, by 1 unit in the
last place of :math:`x_s`, never off it; and the norm of a tangent vector is not the difference of
two squares, each :math:`\cosh^2 r` times as large.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from equiform.manifolds._lengths import length, within
from equiform.manifolds._precision import answer_dtype, widened

#: The longest space part of a point, by dtype: Gram entries stay finite in float32, and in float64
#: products of four coordinates.
REACH = {torch.float32: 2.0**63, torch.float64: 2.0**250}


def dot(a: Tensor, b: Tensor, dim: int) -> Tensor:
    """The Euclidean product along an axis, which is kept."""
    return (a * b).sum(dim=dim, keepdim=True)


def parts(x: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """Time and space."""
    return x.narrow(dim, 0, 1), x.narrow(dim, 1, x.size(dim) - 1)


def space(x: Tensor, dim: int) -> Tensor:
    """The space part; NaN where the time part, which is not read, is no number."""
    x0, xs = parts(x, dim)
    return xs + 0 * x0.detach()


def whole(x0: Tensor, xs: Tensor, dim: int) -> Tensor:
    """Time and space joined, all NaN where the time part, which depends on all, is no number."""
    return torch.cat([x0, xs + 0 * x0.detach()], dim=dim)


def time(xs: Tensor, k: Tensor, dim: int) -> Tensor:
    """The time part of the point with space part ``xs``."""
    return torch.sqrt(k + dot(xs, xs, dim))


def tangent(xs: Tensor, us: Tensor, k: Tensor, dim: int) -> Tensor:
    """The vector with space part ``us`` that is tangent at the point with space part ``xs``."""
    return whole(dot(xs, us, dim) / time(xs, k, dim), us, dim)


def to_origin(xs: Tensor, us: Tensor, k: Tensor, dim: int) -> Tensor:
    """Coordinates of a tangent vector in the orthonormal frame carried out from the origin.

    Parallel transport along the ray from x to the origin, an isometry: there the metric is the
    Euclidean one.
    """
    x0 = time(xs, k, dim)
    return us - xs * (dot(xs, us, dim) / (x0 * (x0 + k.sqrt())))


def climb(delta: Tensor, xs: Tensor, ys: Tensor, x0: Tensor, y0: Tensor, dim: int) -> Tensor:
    """x0 - y0 without cancellation, from ``delta`` = xs - ys."""
    return dot(delta, xs + ys, dim) / (x0 + y0)


def drop(x: Tensor, dim: int, keepdim: bool) -> Tensor:
    """Without the axis of length 1, unless it is asked for."""
    return x if keepdim else x.squeeze(dim)


def points(fn: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Points in the dtype of the tensors, from a function for their space part, run in float64.

    What is out of :data:`REACH`, and would not be held, is put at its end.
    """

    @functools.wraps(fn)
    def held(*args: Any, k: Tensor, dim: int = -1, **kwargs: Any) -> Tensor:
        dtype, k = answer_dtype(args), k.double()
        named = {name: widened(x) for name, x in kwargs.items()}
        xs = fn(*map(widened, args), k=k, dim=dim, **named)
        xs = within(xs, length(xs, dim), REACH[dtype])
        return whole(time(xs, k, dim), xs, dim).to(dtype)

    return held
