"""Manifolds: every method that takes points or vectors."""

import numpy as np
import torch
from torch.nn.functional import normalize, pad

from equiform import Hyperboloid, Sphere
from tests.contract.call import Call, clouds, numbers

SPHERE, HYPERBOLOID = Sphere(), Hyperboloid(2.0)
ALL_PAIRS = {"rowwise": False, "taken": {"y": ("None",)}}


def unit(x):
    """On the sphere, by no code of the library; the origin to itself."""
    size = x.detach().abs().amax(-1, keepdim=True)
    return normalize(x / size.where(size != 0, 1), dim=-1)


def upper(x):
    """On the upper sheet of <x, x> = -2, by no code of the library."""
    x = x[..., 1:].clamp(-1e3, 1e3)
    return torch.cat([(2 + x.square().sum(-1, keepdim=True)).sqrt(), x], dim=-1)


def _lorentz(x, y):
    return (x[..., 1:] * y[..., 1:]).sum(-1) - x[..., 0] * y[..., 0]


def _less_one(x, y):
    """cosh(dist/√2) - 1, without the cancellation."""
    return np.maximum(_lorentz(x - y, x - y), 0) / 4


def _distance(x, y):
    return 2 * np.sqrt(2) * np.arcsinh(np.sqrt(_less_one(x, y) / 2))


def tangent0(u):
    """Tangent at the origin."""
    return pad(u[..., 1:], (1, 0))


def _arc(x, y):
    return 2 * np.arctan2(np.linalg.norm(x - y, axis=-1), np.linalg.norm(x + y, axis=-1))


def _on(name, method, points, vectors="", function=None, **options):
    manifold, onto = {"Sphere": (SPHERE, unit), "Hyperboloid": (HYPERBOLOID, upper)}[name]
    return Call(
        **{
            "name": f"{name}.{method}",
            "function": function or getattr(manifold, method),
            "inputs": clouds(*points, *vectors),
            "onto": dict.fromkeys(points, onto),
            "rowwise": True,
        }
        | options
    )


def _tangent(manifold, method):
    """A method of points x (and y) and a vector at x, made tangent first."""
    function = getattr(manifold, method)

    def at_tangent(x, u, **others):
        u = manifold.proju(x, u)
        if method in ("transp",):
            return function(x, others["y"], u)
        return function(x, u)

    return at_tangent


CALLS = [
    Call(
        name="Sphere.project",
        function=SPHERE.project,
        inputs=clouds("z"),
        rowwise=True,
        oracle=lambda z: z / np.linalg.norm(z, axis=-1, keepdims=True),
    ),
    Call(
        name="Hyperboloid.project",
        function=HYPERBOLOID.project,
        inputs=clouds("z"),
        rowwise=True,
    ),
    _on("Sphere", "dist", "xy", oracle=_arc),
    _on("Hyperboloid", "dist", "xy", oracle=_distance),
    _on("Sphere", "dist2", "xy", oracle=lambda x, y: _arc(x, y) ** 2),
    _on("Hyperboloid", "dist2", "xy", oracle=lambda x, y: _distance(x, y) ** 2),
    _on("Sphere", "similarity", "xy", **ALL_PAIRS, oracle=lambda x, y: x @ y.T),
    _on("Hyperboloid", "similarity", "xy", **ALL_PAIRS),
    _on("Sphere", "pairwise_dist", "xy", **ALL_PAIRS, oracle=lambda x, y: _arc(x[:, None], y)),
    _on(
        "Hyperboloid",
        "pairwise_dist",
        "xy",
        **ALL_PAIRS,
        oracle=lambda x, y: _distance(x[:, None], y),
    ),
    _on("Hyperboloid", "dist0", "x"),
    _on(
        "Hyperboloid",
        "log_cosh_dist",
        "xy",
        oracle=lambda x, y: np.log1p(_less_one(x, y)),
    ),
    _on("Hyperboloid", "pairwise_log_cosh_dist", "xy", **ALL_PAIRS),
    _on("Hyperboloid", "log_cosh_products", "xy", **ALL_PAIRS),
]
for name, manifold in (("Sphere", SPHERE), ("Hyperboloid", HYPERBOLOID)):
    CALLS += [
        Call(name=f"{name}.projx", function=manifold.projx, inputs=clouds("x"), rowwise=True),
        _on(name, "proju", "x", "v" if name == "Hyperboloid" else "u"),
        _on(name, "egrad2rgrad", "x", "u"),
        _on(
            name,
            "inner",
            "x",
            "uv",
            taken={"x": ("None",) * (name == "Hyperboloid"), "v": ("None",)},
        ),
        _on(name, "norm", "x", "u", function=_tangent(manifold, "norm"), composed=True),
        _on(name, "expmap", "x", "u", function=_tangent(manifold, "expmap"), composed=True),
        _on(name, "retr", "x", "u", function=_tangent(manifold, "retr"), composed=True),
        _on(name, "logmap", "xy"),
        _on(name, "transp", "xy", "u", function=_tangent(manifold, "transp"), composed=True),
    ]


CALLS += [
    _on("Hyperboloid", "expmap0", "", "u", onto={"u": tangent0}),
    _on("Hyperboloid", "inner0", "", "v"),
    _on("Hyperboloid", "logmap0", "y"),
    _on("Hyperboloid", "logmap0back", "x"),
    _on(
        "Hyperboloid",
        "transp0",
        "y",
        "u",
        onto={"y": upper, "u": tangent0},
    ),
    _on(
        "Hyperboloid",
        "transp0back",
        "x",
        "u",
        function=lambda x, u: HYPERBOLOID.transp0back(x, HYPERBOLOID.proju(x, u)),
        composed=True,
    ),
    _on(
        "Hyperboloid",
        "geodesic_unit",
        "x",
        "u",
        inputs=lambda n, d: {"t": numbers(n, 1), **clouds("x", "u")(n, d)},
        function=lambda t, x, u: HYPERBOLOID.geodesic_unit(t, x, HYPERBOLOID.proju(x, u)),
        composed=True,
    ),
]
