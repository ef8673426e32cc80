"""Every public method of a manifold that maps points and vectors to numbers, by its arguments."""

import inspect

import pytest
import torch

from equiform.manifolds import Hyperboloid, Sphere

#: x, y: points; u, v: tangent vectors at x; w: one at the origin; a: any vector; z: an encoder's
#: output; t: a number.
SPHERE = {
    "project": "z",
    "projx": "a",
    "proju": "xa",
    "egrad2rgrad": "xa",
    "inner": "xuv",
    "component_inner": "xuv",
    "norm": "xu",
    "dist": "xy",
    "dist2": "xy",
    "pairwise_dist": "xy",
    "similarity": "xy",
    "expmap": "xu",
    "retr": "xu",
    "logmap": "xy",
    "transp": "xyu",
    "transp_follow_expmap": "xuv",
    "transp_follow_retr": "xuv",
    "expmap_transp": "xuv",
    "retr_transp": "xuv",
}
HYPERBOLOID = SPHERE | {
    "log_cosh_dist": "xy",
    "pairwise_log_cosh_dist": "xy",
    "log_cosh_products": "xy",
    "dist0": "x",
    "inner0": "a",
    "expmap0": "w",
    "logmap0": "x",
    "logmap0back": "x",
    "transp0": "yw",
    "transp0back": "xu",
    "geodesic_unit": "txu",
}

#: All rows of x meet all rows of y.
ROWS = {"pairwise_dist", "similarity", "pairwise_log_cosh_dist", "log_cosh_products"}


#: Made of other methods that are in the table.
COMPOSED = {"transp_follow_expmap", "transp_follow_retr", "expmap_transp", "retr_transp"}

MANIFOLDS = [Sphere(), Hyperboloid(2.5)]


def table(manifold):
    """The methods of a manifold."""
    return HYPERBOLOID if isinstance(manifold, Hyperboloid) else SPHERE


every_method = pytest.mark.parametrize(
    ("manifold", "name", "letters"),
    [
        pytest.param(
            manifold,
            name,
            letters,
            id=f"{manifold.name}-{name}",
            marks=[pytest.mark.slow] if name in COMPOSED else [],
        )
        for manifold in MANIFOLDS
        for name, letters in table(manifold).items()
    ],
)


def arguments(manifold, dtype=torch.float64, n=3, seed=0):
    """n of each kind of argument, by its letter."""
    rng = torch.Generator().manual_seed(seed)
    z, other = torch.randn(2, n, 3, generator=rng, dtype=torch.float64)
    x, y = manifold.project(0.5 * z), manifold.project(0.5 * other)
    a, b, w = torch.randn(3, *x.shape, generator=rng, dtype=torch.float64)
    w[:, 0] = 0
    t = torch.rand(n, 1, generator=rng, dtype=torch.float64)
    u, v = 0.3 * manifold.proju(x, a), 0.3 * manifold.proju(x, b)
    made = {"x": x, "y": y, "z": z, "a": a, "u": u, "v": v, "w": w, "t": t}
    return {name: value.to(dtype) for name, value in made.items()}


def call(manifold, name):
    """The method by name, as a function with one tensor for its value."""

    def method(*args):
        value = getattr(manifold, name)(*args)
        return torch.cat(value, -1) if isinstance(value, tuple) else value

    return method


def public(manifold):
    """The names of all public methods that torch.nn.Module does not have."""
    names = set(dir(type(manifold))) - set(dir(torch.nn.Module))
    return {
        name
        for name in names
        if name[0] != "_" and inspect.isfunction(inspect.getattr_static(type(manifold), name))
    }
