"""What is the sphere's own: accuracy at every angle, antipodes, zero, the choice of pole."""

import math

import geoopt
import mpmath
import pytest
import torch

from equiform.forms import EuclideanForm
from equiform.manifolds import Sphere

ANGLES = [1e-12, 1e-6, 1e-3, 0.5, math.pi / 2, 3.0, math.pi - 1e-3, math.pi - 1e-6]


def arc(angle, dtype):
    """Two points ``angle`` apart, not along the axes."""
    turn = torch.linalg.qr(torch.arange(9.0).reshape(3, 3).double().cos())[0]
    pair = torch.tensor([[1.0, 0.0, 0.0], [math.cos(angle), math.sin(angle), 0.0]]).double()
    pair[1, :2] = torch.tensor([math.cos(angle), math.sin(angle)], dtype=torch.float64)
    return (pair @ turn).to(dtype)


def exact_angle(x, y):
    with mpmath.workdps(50):
        xs, ys = ([mpmath.mpf(a) for a in v.tolist()] for v in (x, y))
        apart, along = (
            mpmath.sqrt(sum((a + s * b) ** 2 for a, b in zip(xs, ys, strict=True))) for s in (-1, 1)
        )
        return 2 * mpmath.atan2(apart, along)


def test_carries_its_form():
    assert Sphere().form == EuclideanForm()
    assert not Sphere().state_dict()


@pytest.mark.parametrize("angle", ANGLES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
def test_dist_is_exact_to_rounding(angle, dtype):
    x, y = arc(angle, dtype)
    expected = exact_angle(x, y)
    # Two norms of three differences, 3.5 roundings each, the arctangent 2: nine of ε / 2.
    bound = 4.5 * torch.finfo(dtype).eps * expected
    assert abs(Sphere().dist(x, y).item() - expected) <= bound
    assert abs(Sphere().pairwise_dist(x[None], y[None]).item() - expected) <= bound


def test_geoopt_is_wrong_where_this_is_right():
    x, y = arc(1e-3, torch.float32)
    assert geoopt.Sphere().dist(x, x) > 1e-2
    assert Sphere().dist(x, x) == 0
    assert geoopt.Sphere().dist(x, y).item() > 1e-2
    assert Sphere().dist(x, y).item() == pytest.approx(1e-3, rel=1e-3)


@pytest.mark.parametrize("angle", ANGLES[1:])
def test_gradient_is_the_unit_vector_away(angle):
    x, y = arc(angle, torch.float64)
    x.requires_grad_()
    manifold = Sphere()
    manifold.dist(x, y).backward()
    gradient = manifold.egrad2rgrad(x.detach(), x.grad)
    away = -manifold.logmap(x.detach(), y) / manifold.dist(x.detach(), y)
    torch.testing.assert_close(gradient, away, rtol=1e-6, atol=1e-8)
    assert gradient.norm().item() == pytest.approx(1.0, rel=1e-6)


def test_antipodes():
    x = Sphere().project(torch.tensor([1.0, 2.0, -3.0])).requires_grad_()
    y = -x.detach()
    d = Sphere().dist(x, y)
    assert d.item() == pytest.approx(math.pi)
    d.backward()
    assert (x.grad == 0).all()
    v = Sphere().proju(y, torch.tensor([0.3, 0.1, 0.7]))
    torch.testing.assert_close(Sphere().transp(x.detach(), y, v), v)
    assert Sphere().logmap(x.detach(), y).norm() < 1e-6


def test_zero_goes_to_the_pole_with_gradient_zero():
    z = torch.zeros(2, 3, requires_grad=True)
    x = Sphere().project(z)
    assert torch.equal(x, torch.tensor([[1.0, 0.0, 0.0]]).expand(2, 3))
    (x * torch.randn(3)).sum().backward()
    assert (z.grad == 0).all()


def test_project_does_not_depend_on_the_scale():
    z = torch.tensor([3.0, -4.0])
    for scale in (1e-30, 1e-20, 1.0, 1e20, 1e37):
        torch.testing.assert_close(Sphere().project(scale * z), z / 5)


def test_transport_of_what_is_not_tangent_drops_it():
    x, y = arc(0.8, torch.float64)
    v = Sphere().proju(x, torch.tensor([0.3, 0.1, 0.7], dtype=torch.float64))
    torch.testing.assert_close(Sphere().transp(x, y, v + 2 * x), Sphere().transp(x, y, v))


def test_agrees_with_geoopt_where_geoopt_is_right():
    rng = torch.Generator().manual_seed(0)
    ours, theirs = Sphere(), geoopt.Sphere()
    x, y = (ours.random(9, 4, generator=rng, dtype=torch.float64).data + 0 for _ in range(2))
    v = torch.randn(9, 4, generator=rng, dtype=torch.float64)
    u = theirs.proju(x, v)
    for name, args in {
        "dist": (x, y),
        "inner": (x, u, u),
        "norm": (x, u),
        "projx": (v,),
        "proju": (x, v),
        "egrad2rgrad": (x, v),
        "expmap": (x, u),
        "retr": (x, u),
        "logmap": (x, y),
    }.items():
        torch.testing.assert_close(getattr(ours, name)(*args), getattr(theirs, name)(*args))
