"""Sphere and Hyperboloid beside geoopt's Sphere and Lorentz, through all that geoopt makes public.

Points near the origin in float64, where geoopt's formulas have all their digits. What means
something else here is in DIFFERS, with the test that says what it means.
"""

import inspect
from types import SimpleNamespace

import geoopt
import pytest
import torch

from equiform.manifolds import Hyperboloid, Sphere

PAIRS = {
    "sphere": (Sphere, geoopt.Sphere),
    "k=1": (Hyperboloid, geoopt.Lorentz),
    "k=[2.5]": (
        lambda: Hyperboloid(torch.tensor([2.5], dtype=torch.float64)),
        lambda: geoopt.Lorentz(torch.tensor([2.5], dtype=torch.float64)),
    ),
}

#: method: calls with the points x, y, the tangent vectors u, v at x and any vector a.
CALLS = {
    "dist": [lambda m, p: m.dist(p.x, p.y), lambda m, p: m.dist(p.x, p.y, keepdim=True)],
    "dist2": [lambda m, p: m.dist2(p.x, p.y)],
    "dist0": [lambda m, p: m.dist0(p.x), lambda m, p: m.dist0(p.x, keepdim=True)],
    "inner": [
        lambda m, p: m.inner(p.x, p.u),
        lambda m, p: m.inner(p.x, p.u, p.v, keepdim=True),
        lambda m, p: m.inner(p.x, p.u, v=p.v),
    ],
    "inner0": [lambda m, p: m.inner0(p.a), lambda m, p: m.inner0(p.a, keepdim=True)],
    "component_inner": [lambda m, p: m.component_inner(p.x, p.u, p.v)],
    "projx": [lambda m, p: m.projx(p.a)],
    "proju": [lambda m, p: m.proju(p.x, p.a)],
    "egrad2rgrad": [lambda m, p: m.egrad2rgrad(p.x, p.a)],
    "expmap": [lambda m, p: m.expmap(p.x, p.u)],
    "expmap0": [lambda m, p: m.expmap0(p.o), lambda m, p: m.expmap0(p.o, project=True)],
    "retr": [lambda m, p: m.retr(p.x, p.u)],
    "logmap": [lambda m, p: m.logmap(p.x, p.y)],
    "logmap0": [lambda m, p: m.logmap0(p.x)],
    "logmap0back": [lambda m, p: m.logmap0back(p.x)],
    "transp": [lambda m, p: m.transp(p.x, p.y, p.u)],
    "transp0": [lambda m, p: m.transp0(p.y, p.o)],
    "transp0back": [lambda m, p: m.transp0back(p.x, p.u)],
    "transp_follow_expmap": [lambda m, p: m.transp_follow_expmap(p.x, p.u, p.v)],
    "transp_follow_retr": [lambda m, p: m.transp_follow_retr(p.x, p.u, p.v)],
    "retr_transp": [lambda m, p: torch.stack(m.retr_transp(p.x, p.u, p.v))],
    "expmap_transp": [lambda m, p: torch.stack(m.expmap_transp(p.x, p.u, p.v))],
    "geodesic_unit": [lambda m, p: m.geodesic_unit(p.t, p.x, p.unit)],
    "norm": [lambda m, p: m.norm(p.u) if isinstance(m, geoopt.Lorentz) else m.norm(p.x, p.u)],
    "origin": [lambda m, p: m.origin(3, 4, dtype=torch.float64), lambda m, p: m.origin((4,))],
    "unpack_tensor": [lambda m, p: m.unpack_tensor(p.x)],
    "pack_point": [lambda m, p: m.pack_point(p.x)],
    "check_point": [lambda m, p: m.check_point(p.x), lambda m, p: m.check_point(p.x[0, 0])],
    "check_vector": [lambda m, p: m.check_vector(p.u)],
    "check_point_on_manifold": [
        lambda m, p: m.check_point_on_manifold(p.x),
        lambda m, p: m.check_point_on_manifold(2 * p.x, explain=True)[0],
    ],
    "check_vector_on_tangent": [
        lambda m, p: m.check_vector_on_tangent(p.x, p.u),
        lambda m, p: m.check_vector_on_tangent(p.x, p.a, explain=True)[0],
    ],
    "assert_check_point": [lambda m, p: m.assert_check_point(p.x)],
    "assert_check_vector": [lambda m, p: m.assert_check_vector(p.u)],
    "assert_check_point_on_manifold": [lambda m, p: m.assert_check_point_on_manifold(p.x)],
    "assert_check_vector_on_tangent": [
        lambda m, p: m.assert_check_vector_on_tangent(p.x, p.u, ok_point=True)
    ],
}


#: What is not geoopt's, by manifold, and what holds instead.
DIFFERS = {
    # geoopt projects, which is no isometry: test_transport_is_an_isometry_of_tangent_spaces
    "Sphere": {
        "transp",
        "transp_follow_expmap",
        "transp_follow_retr",
        "retr_transp",
        "expmap_transp",
        "origin",  # a random point in geoopt; the first basis vector here
        # draws: test_random_points_are_reproducible_and_typed
        "random",
        "random_uniform",
    },
    # geoopt's are all at distance 1: test_std_scales_the_radius_of_random_points
    "Lorentz": {"random", "random_normal"},
}


@pytest.fixture(params=PAIRS.values(), ids=PAIRS.keys())
def pair(request, monkeypatch):
    """Ours, geoopt's, and points for both; geoopt checks float64 only where it is the default."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    ours, theirs = request.param[0](), request.param[1]()
    rng = torch.Generator().manual_seed(0)
    x, y = ours.project(0.4 * torch.randn(2, 5, 3, generator=rng))
    a, b, o = torch.randn(3, *x.shape, generator=rng)
    o[:, 0] = 0
    u, v = 0.3 * ours.proju(x, a), 0.3 * ours.proju(x, b)
    unit = u / ours.norm(x, u, keepdim=True)
    yield (
        ours,
        theirs,
        SimpleNamespace(x=x, y=y, a=a, o=o, u=u, v=v, unit=unit, t=torch.tensor(0.7)),
    )
    torch.set_default_dtype(before)


def public(manifold):
    own = set(dir(type(manifold))) - set(dir(torch.nn.Module))
    return {n for n in own if n[0] != "_" and inspect.isfunction(getattr(type(manifold), n))}


def test_every_public_method_of_geoopt_has_its_value(pair):
    ours, theirs, p = pair
    different = DIFFERS[theirs.name]
    assert public(theirs) <= set(CALLS) | different
    for name in public(theirs) - different:
        for call in CALLS[name]:
            got, expected = call(ours, p), call(theirs, p)
            if isinstance(expected, torch.Tensor):
                torch.testing.assert_close(
                    torch.Tensor.detach(got), expected.detach(), rtol=1e-6, atol=1e-6, msg=name
                )
            else:
                assert got == expected, name


def test_every_parameter_of_geoopt_is_taken_in_its_place(pair):
    """norm may take the point first, as in geoopt's base class; inner0 of None fails in geoopt."""
    ours, theirs, _ = pair
    for name in public(theirs) - {"norm", "random", "inner0"}:
        here = inspect.signature(getattr(ours, name)).parameters
        there = inspect.signature(getattr(theirs, name)).parameters
        positional = [key for key, p in there.items() if p.kind == p.POSITIONAL_OR_KEYWORD]
        assert [*here][: len(positional)] == positional, name
        for key, parameter in there.items():
            assert here[key].kind == parameter.kind, (name, key)
            assert here[key].default == parameter.default, (name, key)


def test_what_is_not_tangent(pair):
    """The table of Hyperboloid: the space part decides, and geoopt projects."""
    ours, theirs, p = pair
    if theirs.name == "Sphere":
        return
    torch.testing.assert_close(theirs.expmap(p.x, p.a), ours.expmap(p.x, ours.proju(p.x, p.a)))
    completed = p.a.clone()
    completed[:, 0] = (p.x[:, 1:] * p.a[:, 1:]).sum(-1) / p.x[:, 0]
    assert ours.check_vector_on_tangent(p.x, completed)
    torch.testing.assert_close(ours.expmap(p.x, p.a), ours.expmap(p.x, completed))
    torch.testing.assert_close(ours.inner(p.x, p.a), ours.inner(None, completed))


@pytest.mark.parametrize("keepdim", [False, True])
@pytest.mark.parametrize("dim", [-1, 0])
def test_lorentz_products_need_no_point(keepdim, dim):
    u, v = torch.randn(2, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    ours, theirs = Hyperboloid(), geoopt.Lorentz()
    for args in ((u,), (u, v)):
        torch.testing.assert_close(
            ours.inner(None, *args, keepdim=keepdim, dim=dim),
            theirs.inner(None, *args, keepdim=keepdim, dim=dim),
        )
    u = u.narrow(dim, 0, 4).clone()
    u.select(dim, 0).fill_(0)  # spacelike
    expected = torch.linalg.vector_norm(u, dim=dim, keepdim=keepdim)
    torch.testing.assert_close(ours.norm(u, keepdim=keepdim, dim=dim), expected)
    torch.testing.assert_close(ours.norm(u=u, keepdim=keepdim, dim=dim), expected)


def test_norm_without_a_point_at_zero_and_nan():
    u = torch.zeros(4, requires_grad=True)
    norm = Hyperboloid().norm(u)
    norm.backward()
    assert norm == 0
    assert (u.grad == 0).all()
    assert Hyperboloid().norm(torch.full((4,), torch.nan)).isnan()


@pytest.mark.parametrize("shape", [(), (1,), (1, 1)])
def test_curvature_of_one_element(shape):
    k = torch.full(shape, 2.0)
    ours, theirs = Hyperboloid(k, learnable=True), geoopt.Lorentz(k, learnable=True)
    x = ours.project(torch.randn(3, 4, generator=torch.Generator().manual_seed(0)))
    assert ours.dist(x, x.flip(0)).shape == (3,)
    assert ours.dist(x[0], x[1]).shape == ()
    torch.testing.assert_close(ours.dist0(x), Hyperboloid(2.0).dist0(x))
    if len(shape) < 2:  # torch itself reads one element of one axis as a scalar
        restored = Hyperboloid()
        restored.load_state_dict(theirs.state_dict())
        assert restored.k == 2.0


@pytest.mark.parametrize("size", [(), ((),), (1,)])
@pytest.mark.parametrize("make", [Sphere, Hyperboloid])
def test_a_point_needs_coordinates(make, size):
    for method in (make().origin, make().random):
        with pytest.raises(ValueError, match=r"size on the .* at least two coordinates"):
            method(*size)


def test_in_a_product_and_a_parameter():
    product = geoopt.ProductManifold((Hyperboloid(), 4), (Sphere(), 3))
    rng = torch.Generator().manual_seed(0)
    x, y = (
        torch.cat(
            [
                Hyperboloid().project(torch.randn(5, 3, generator=rng)),
                Sphere().project(torch.randn(5, 3, generator=rng)),
            ],
            dim=-1,
        )
        for _ in range(2)
    )
    squares = Hyperboloid().dist2(x[:, :4], y[:, :4]) + Sphere().dist2(x[:, 4:], y[:, 4:])
    torch.testing.assert_close(product.dist2(x, y), squares)
    assert product.check_point_on_manifold(product.random(2, 7))
    assert product.check_point_on_manifold(product.origin(2, 7))
    p = geoopt.ManifoldParameter(x.clone(), manifold=product)
    optimizer = geoopt.optim.RiemannianAdam([p], lr=0.1)
    for _ in range(150):
        optimizer.zero_grad()
        product.dist2(p, y).mean().backward()
        optimizer.step()
    assert product.check_point_on_manifold(p)
    assert product.dist(p, y).max() < 1e-2
