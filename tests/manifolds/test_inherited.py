"""What Sphere and Hyperboloid take from geoopt as it is: each method against 50 digits, or named.

A method that a later geoopt adds has to be overridden, or gets its oracle here.
"""

import inspect

import geoopt
import mpmath
import pytest
import torch

from equiform.manifolds import EmbeddingManifold
from tests.manifolds.methods import MANIFOLDS, arguments, public

mp = mpmath.mp.clone()
mp.dps = 50

#: ε of float64 times the roundings of a composition, of numbers of size about 3.
TOL = 40 * torch.finfo(torch.float64).eps


def product(manifold, a, b):
    """The form, in 50 digits."""
    terms = [s * t for s, t in zip(a, b, strict=True)]
    return mp.fsum(terms) - (0 if manifold.name == "Sphere" else 2 * terms[0])


def exact_exp(manifold, x, u):
    """cos t x + sin(t)/t u on the sphere, cosh and sinh in units of √k on the hyperboloid."""
    k = mp.mpf(manifold.k.item()) if manifold.name != "Sphere" else mp.one
    t = mp.sqrt(product(manifold, u, u) / k)
    even, odd = (mp.cos, mp.sin) if manifold.name == "Sphere" else (mp.cosh, mp.sinh)
    return [even(t) * a + odd(t) / t * b for a, b in zip(x, u, strict=True)]


def exact_transport(manifold, x, y, v):
    """v - <y, v> / (1 + <x, y>) (x + y) on the sphere; on the hyperboloid k - <x, y>, and plus."""
    sign, k = (-1, mp.one) if manifold.name == "Sphere" else (1, mp.mpf(manifold.k.item()))
    weight = sign * product(manifold, y, v) / (k - sign * product(manifold, x, y))
    return [c + weight * (a + b) for a, b, c in zip(x, y, v, strict=True)]


def exact_retraction(manifold, x, u):
    if manifold.name != "Sphere":
        return exact_exp(manifold, x, u)
    y = [a + b for a, b in zip(x, u, strict=True)]
    return [a / mp.sqrt(product(manifold, y, y)) for a in y]


def followed(move, *, both):
    """Transport of v from x to where it is moved along u, after that point where both are asked."""

    def oracle(manifold, x, u, v):
        y = move(manifold, x, u)
        carried = exact_transport(manifold, x, y, v)
        return [*y, *carried] if both else carried

    return oracle


#: name: (arguments, oracle of one row of each)
COMPUTED = {
    "component_inner": ("xuv", lambda m, _, u, v: [product(m, u, v)]),
    "transp_follow_expmap": ("xuv", followed(exact_exp, both=False)),
    "transp_follow_retr": ("xuv", followed(exact_retraction, both=False)),
    "expmap_transp": ("xuv", followed(exact_exp, both=True)),
    "retr_transp": ("xuv", followed(exact_retraction, both=True)),
}
#: Nothing is computed, or in the tests of membership, which have a tolerance of their own.
PLAIN = {"pack_point", "unpack_tensor"}
CHECKS = ("check_", "assert_check_")


def digits(row):
    return [mp.mpf(a) for a in row.tolist()]


def exact(manifold, given):
    """The same points and tangent vectors, off the manifold by no rounding, row by row."""
    k = mp.mpf(manifold.k.item()) if manifold.name != "Sphere" else mp.one
    for x, u, v in zip(*(given[key] for key in "xuv"), strict=True):
        x, *vectors = map(digits, (x, u, v))
        if manifold.name == "Sphere":
            x = [a / mp.sqrt(product(manifold, x, x)) for a in x]
            vectors = [
                [a - product(manifold, x, w) * b for a, b in zip(w, x, strict=True)]
                for w in vectors
            ]
        else:
            x[0] = mp.sqrt(k + mp.fsum(a * a for a in x[1:]))
            for w in vectors:
                w[0] = mp.fsum(a * b for a, b in zip(x[1:], w[1:], strict=True)) / x[0]
        yield x, *vectors


def inherited(manifold):
    """Public methods that geoopt defines and nothing overrides, but for the check of arguments."""
    return {
        name
        for name in public(manifold)
        if inspect.unwrap(getattr(type(manifold), name)).__module__.startswith("geoopt")
    }


@pytest.mark.parametrize("manifold", MANIFOLDS, ids=repr)
def test_every_inherited_method_is_known(manifold):
    computed = {name for name in inherited(manifold) if not name.startswith(CHECKS)}
    assert computed <= set(COMPUTED) | PLAIN
    assert {name for name in public(manifold) if name.startswith(CHECKS)} <= set(
        dir(geoopt.manifolds.Manifold)
    )
    assert "dist2" in public(manifold) - inherited(manifold)  # the walk sees what is overridden


@pytest.mark.parametrize("name", COMPUTED)
@pytest.mark.parametrize("manifold", MANIFOLDS, ids=repr)
def test_inherited_methods_have_all_digits(manifold, name):
    letters, oracle = COMPUTED[name]
    given = arguments(manifold)
    value = getattr(manifold, name)(*(given[key] for key in letters))
    value = torch.cat(value, -1) if isinstance(value, tuple) else value
    for got, args in zip(value, exact(manifold, given), strict=True):
        expected = oracle(manifold, *args)
        for a, b in zip(digits(got), expected, strict=True):
            assert abs(a - b) <= TOL * max(1, max(map(abs, expected)))


@pytest.mark.parametrize("manifold", MANIFOLDS, ids=repr)
def test_membership_in_float64(manifold):
    given = arguments(manifold)
    x, u = given["x"], given["u"]
    tight = {"atol": 1e-14, "rtol": 1e-14}
    assert manifold.check_point_on_manifold(x, **tight)
    assert manifold.check_vector_on_tangent(x, u, **tight)
    for off in (1e-13, torch.nan, torch.inf):
        assert not manifold.check_point_on_manifold(x + off, **tight)
        assert not manifold.check_vector_on_tangent(x, u + 10 * off, **tight)
        with pytest.raises(ValueError, match="not lying on"):
            manifold.assert_check_point_on_manifold(x + off, **tight)
    assert manifold.pack_point(x) is x
    assert manifold.unpack_tensor(x) is x
    assert isinstance(manifold, EmbeddingManifold)
