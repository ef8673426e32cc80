"""No point of the hyperboloid is farther out than its dtype holds."""

import math

import geoopt
import pytest
import torch

from equiform.manifolds import Hyperboloid

REACH = {torch.float32: 2.0**63, torch.float64: 2.0**250}
every_dtype = pytest.mark.parametrize("dtype", REACH, ids=["float32", "float64"])


def vector(*space, dtype):
    return torch.tensor([0.0, *space], dtype=dtype)


def assert_held(manifold, x):
    assert x.isfinite().all()
    assert manifold.check_point_on_manifold(x)


@every_dtype
@pytest.mark.parametrize("size", [1e2, 1e4, 1e30])
@pytest.mark.parametrize("k", [1.0, 0.3])
def test_a_long_step_ends_at_the_reach(dtype, size, k):
    manifold = Hyperboloid(k)
    u = vector(0.6 * size, -0.8 * size, dtype=dtype).requires_grad_()
    x = manifold.expmap0(u)
    assert_held(manifold, x)
    radius = min(size / k**0.5, math.asinh(REACH[dtype] / k**0.5)) * k**0.5
    assert manifold.dist0(x).item() == pytest.approx(radius, rel=1e-6)
    direction = vector(0.6, -0.8, dtype=dtype)
    torch.testing.assert_close(x[1:] / x[1:].norm(), direction[1:])
    x.sum().backward()
    assert u.grad.isfinite().all()
    for start in (manifold.origin(3, dtype=dtype).data, x.detach(), -x.detach() * direction.sign()):
        start = manifold.projx(start)
        step = manifold.transp0(start, u.detach()) if size < 1e4 else manifold.logmap(start, x)
        for move in (manifold.expmap, manifold.retr):
            assert_held(manifold, move(start, step))


@every_dtype
def test_a_longer_step_ends_where_a_long_one_does(dtype):
    """A geodesic has one end, which is not the direction of its velocity."""
    manifold = Hyperboloid()
    x = manifold.expmap0(vector(0.0, 1.5, dtype=dtype))
    u = vector(1.0, 0.0, dtype=dtype)  # tangent at x, and of length 1
    ends = [manifold.expmap(x, size * u) for size in (300.0, 1e6, 1e30)]
    for end in ends[1:]:
        torch.testing.assert_close(end, ends[0])
    assert ends[0][2] > 0.5 * ends[0][1]


@every_dtype
def test_all_methods_are_finite_at_the_reach(dtype):
    manifold = Hyperboloid()
    x, y, z = (
        manifold.expmap0(vector(a, b, dtype=dtype)) for a, b in ((1e3, 0), (-1e3, 5), (0, 1e3))
    )
    for a, b in ((x, y), (x, z), (x, x), (y, manifold.origin(3, dtype=dtype).data)):
        a = a.clone().requires_grad_()
        d = manifold.dist(a, b)
        assert d.isfinite()
        assert manifold.pairwise_dist(a[None], b[None]).isfinite().all()
        assert manifold.form.inner(a, b).isfinite()
        u = manifold.logmap(a, b)
        assert u.isfinite().all()
        assert manifold.norm(a, u).isfinite()
        assert manifold.transp(a, b, u).isfinite().all()
        assert_held(manifold, manifold.expmap(a, u))
        d.backward()
        assert manifold.egrad2rgrad(a.detach(), a.grad).isfinite().all()
    two_ends = 2 * math.asinh(REACH[dtype])
    opposite = manifold.expmap0(vector(-1e3, 0, dtype=dtype))
    assert manifold.dist(x, opposite).item() == pytest.approx(two_ends, rel=1e-6)


@every_dtype
@pytest.mark.parametrize("max_radius", [100.0, 1e6])
def test_the_lift_is_held(dtype, max_radius):
    manifold = Hyperboloid(max_radius=max_radius)
    z = torch.tensor([[1e30, 2e30], [3e3, 4e3], [50.0, 0.0], [0.0, 0.0]], dtype=dtype)
    z.requires_grad_()
    x = manifold.project(z)
    assert_held(manifold, x)
    size = torch.tanh(z.norm(dim=-1).detach() / max_radius) * max_radius
    expected = size.clamp(max=math.asinh(REACH[dtype]))
    torch.testing.assert_close(manifold.dist0(x).detach()[1:], expected[1:])
    x.sum().backward()
    assert z.grad.isfinite().all()


@pytest.mark.parametrize("make", [geoopt.optim.RiemannianAdam, geoopt.optim.RiemannianSGD])
def test_a_loss_that_drives_points_apart(make):
    """It has no minimum; points that go on for ever used to end at infinity."""
    manifold = Hyperboloid()
    start = manifold.project(torch.randn(4, 3, generator=torch.Generator().manual_seed(0)))
    p = geoopt.ManifoldParameter(start, manifold=manifold)
    optimizer = make([p], lr=1.0)
    for _ in range(120):
        optimizer.zero_grad()
        (-manifold.pairwise_dist(p).mean()).backward()
        optimizer.step()
    assert_held(manifold, p.detach())
    assert manifold.dist0(p).max() > 15
