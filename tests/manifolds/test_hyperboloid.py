"""What is the hyperboloid's own: curvature, the bounded lift, sampling, and geoopt's faults."""

import math

import geoopt
import pytest
import torch

from equiform.forms import MinkowskiForm
from equiform.manifolds import EmbeddingManifold, Hyperboloid


def vector(*space, **kwargs):
    return torch.tensor([0.0, *space], **kwargs)


def test_carries_its_form_and_says_its_parameters():
    manifold = Hyperboloid(k=2.0, max_radius=10)
    assert manifold.form == MinkowskiForm()
    assert repr(manifold) == "Hyperboloid(k=2, max_radius=10) manifold"
    assert list(manifold.state_dict()) == ["k"]


@pytest.mark.parametrize("name", ["k", "max_radius"])
def test_refuses_a_bad_parameter(name):
    for value in (0.0, -1.0, math.inf, math.nan, 0, torch.tensor([-1.0])):
        with pytest.raises(ValueError, match=f"^{name} must be positive and finite, got "):
            Hyperboloid(**{name: value})
    for value in (None, "1", True, 1j, [1.0, 2.0], torch.ones(2), torch.ones(0), torch.tensor(1j)):
        with pytest.raises(TypeError, match=f"^{name} must be one positive number, got "):
            Hyperboloid(**{name: value})


def test_does_not_share_the_curvature_tensor():
    k = torch.tensor(2.0)
    manifold = Hyperboloid(k)
    k.fill_(5.0)
    assert manifold.k == 2.0


@pytest.mark.parametrize("k", [1.0, 4.0])
def test_curvature_by_the_cosine_law(k):
    """cosh c = cosh a cosh b for a right angle, lengths in units of √k."""
    manifold = Hyperboloid(k)
    x, y = manifold.expmap0(vector(0.8, 0.0)), manifold.expmap0(vector(0.0, 1.3))
    root = math.sqrt(k)
    expected = root * math.acosh(math.cosh(0.8 / root) * math.cosh(1.3 / root))
    assert manifold.dist(x, y).item() == pytest.approx(expected, rel=1e-6)


def test_project_is_the_bounded_lift():
    manifold = Hyperboloid(k=4.0, max_radius=1.5)
    z = torch.tensor([[3.0, -4.0], [0.3, 0.4], [1e9, 0.0], [0.0, 0.0]])
    radius = 1.5 * 2.0
    x = manifold.project(z)
    norm = z.norm(dim=-1)
    torch.testing.assert_close(manifold.dist0(x), radius * torch.tanh(norm / radius))
    direction = manifold.logmap0(x)[:3, 1:] / manifold.dist0(x)[:3, None]
    torch.testing.assert_close(direction, z[:3] / norm[:3, None])
    assert torch.equal(x[3], torch.tensor([2.0, 0.0, 0.0]))


def test_project_is_the_identity_to_first_order_at_zero():
    manifold = Hyperboloid(k=3.0)
    jacobian = torch.autograd.functional.jacobian(manifold.project, torch.zeros(3))
    torch.testing.assert_close(jacobian, torch.eye(4)[:, 1:])


@pytest.mark.parametrize("max_radius", [3.5, 10.0])
def test_default_radius_keeps_the_gram_entries_resolved(max_radius):
    """The rounding that the docstring of max_radius promises, at the far end of the lift."""
    dtype = torch.float32 if max_radius == 3.5 else torch.float64
    manifold = Hyperboloid(max_radius=max_radius)
    x = manifold.project(torch.tensor([[1e3, 2e3, 3e3]], dtype=dtype))
    error = (manifold.form.inner(x, x) + 1).abs()
    assert error <= (1e-4 if dtype == torch.float32 else 1e-7)


def test_gradient_to_a_learnable_curvature():
    rng = torch.Generator().manual_seed(0)
    z = torch.randn(3, 4, generator=rng, dtype=torch.float64)
    x, y = Hyperboloid().project(z), Hyperboloid().project(z.flip(0) + 0.1)

    def through(name, *args):
        def fn(k):
            manifold = Hyperboloid(learnable=True)
            del manifold.k
            manifold.k = k
            return getattr(manifold, name)(*args)

        return fn

    k = torch.tensor(1.3, dtype=torch.float64, requires_grad=True)
    for name, args in {
        "dist": (x, y),
        "dist0": (x,),
        "log_cosh_dist": (x, y),
        "pairwise_dist": (x, y),
        "projx": (x,),
        "project": (z,),
        "expmap0": (0.3 * y,),
        "logmap0": (x,),
        "expmap": (x, 0.1 * y),
        "logmap": (x, y),
        "transp": (x, y, y),
        "transp0back": (x, y),
        "proju": (x, y + x.flip(0)),
        "norm": (x, y),
    }.items():
        assert torch.autograd.gradcheck(through(name, *args), (k,)), name


def test_a_learnable_curvature_trains():
    manifold = Hyperboloid(k=1.0, learnable=True)
    opt = torch.optim.Adam(manifold.parameters(), lr=0.05)
    x, y = torch.randn(2, 10, 4, generator=torch.Generator().manual_seed(0))
    wanted = Hyperboloid(k=2.0).dist(x, y)
    for _ in range(200):
        opt.zero_grad()
        (manifold.dist(x, y) - wanted).square().mean().backward()
        opt.step()
    assert manifold.k.item() == pytest.approx(2.0, rel=1e-2)
    assert not Hyperboloid().k.requires_grad


def test_std_scales_the_radius_of_random_points():
    manifold = Hyperboloid(k=2.0)
    for std in (0.01, 0.1, 1.0):
        x = manifold.random_normal(20_000, 4, std=std, generator=torch.Generator().manual_seed(0))
        # A normal vector in three dimensions has mean square length 3 std².
        rms = manifold.dist0(x.data).square().mean().sqrt().item()
        assert rms == pytest.approx(std * math.sqrt(3), rel=0.02)
    moved = manifold.random_normal(20_000, 4, mean=torch.tensor([0.0, 0.5, 0.0, 0.0]), std=0.1)
    torch.testing.assert_close(
        manifold.logmap0(moved.data).mean(0), vector(0.5, 0.0, 0.0), atol=5e-3, rtol=0
    )


@pytest.mark.parametrize("k_dtype", [torch.float32, torch.float64])
def test_mixed_dtypes_of_points_and_curvature(k_dtype):
    manifold = Hyperboloid(torch.tensor(2.0, dtype=k_dtype))
    for dtype in (torch.float32, torch.float64):
        x, y = manifold.project(torch.eye(3, dtype=dtype))[:2]
        u = manifold.logmap(x, y)
        for answer in (manifold.dist(x, y), u, manifold.transp(x, y, u), manifold.proju(x, y)):
            assert answer.dtype == dtype
        assert manifold.check_vector_on_tangent(x, u)
    assert manifold.dist(x, y.float()).dtype == torch.float64


def test_membership_is_judged_relative_to_the_radius():
    manifold = Hyperboloid()
    x = manifold.expmap0(vector(8.0, 0.0))
    u = manifold.transp0(x, vector(1.0, 2.0))
    assert manifold.check_point_on_manifold(x)
    assert manifold.check_vector_on_tangent(x, u)
    lower = torch.cat([-x[:1], x[1:]])
    ok, reason = manifold.check_point_on_manifold(lower, explain=True)
    assert not ok
    assert "projx" in reason
    ok, reason = manifold.check_vector_on_tangent(x, vector(*u[1:]), explain=True)
    assert not ok
    assert "proju" in reason
    with pytest.raises(ValueError, match="at least two coordinates"):
        geoopt.ManifoldParameter(torch.ones(3, 1), manifold=manifold)


def test_origin_and_every_derivative_there():
    manifold = Hyperboloid(k=2.0)
    o = manifold.origin(3).data.double()
    y = manifold.expmap0(vector(0.6, 0.8, dtype=torch.float64)).requires_grad_()
    x = o.clone().requires_grad_()
    d = manifold.dist(x, y)
    assert d.item() == pytest.approx(1.0, rel=1e-6)
    d.backward()
    torch.testing.assert_close(x.grad[1:], torch.tensor([-0.6, -0.8], dtype=torch.float64))
    back = manifold.logmap0back(y)
    torch.testing.assert_close(manifold.expmap(y, back), o)
    x0 = o.clone().requires_grad_()
    manifold.dist0(x0).backward()
    assert (x0.grad == 0).all()
    assert torch.autograd.gradgradcheck(manifold.dist, (x, y))


def test_log_cosh_gradient_is_bounded_by_tanh():
    manifold = Hyperboloid()
    x = manifold.project(torch.tensor([0.3, 0.4]))
    for target in (x.clone(), manifold.expmap0(vector(3.0, -3.0))):
        a = x.clone().requires_grad_()
        manifold.log_cosh_dist(a, target).backward()
        slope = manifold.norm(x, manifold.egrad2rgrad(x, a.grad))
        torch.testing.assert_close(slope, torch.tanh(manifold.dist(x, target)))


def test_coordinates_may_lie_along_another_axis():
    manifold = Hyperboloid(k=1.5)
    rng = torch.Generator().manual_seed(0)
    x, y = manifold.project(torch.randn(2, 5, 3, generator=rng))
    v = torch.randn(5, 4, generator=rng)
    for name, args in {
        "dist": (x, y),
        "dist0": (x,),
        "inner": (x, v, v),
        "norm": (x, v),
        "projx": (v,),
        "proju": (x, v),
        "egrad2rgrad": (x, v),
        "expmap": (x, v),
        "expmap0": (v,),
        "logmap": (x, y),
        "logmap0": (x,),
        "logmap0back": (x,),
        "transp": (x, y, v),
        "transp0": (y, v),
        "transp0back": (x, v),
        "log_cosh_dist": (x, y),
    }.items():
        expected = getattr(manifold, name)(*args)
        got = getattr(manifold, name)(*(a.mT for a in args), dim=0)
        torch.testing.assert_close(got if got.ndim == 1 else got.mT, expected)


def test_every_method_of_geoopt_is_overridden_or_known_to_be_safe():
    """A method that a later geoopt adds must be looked at before it is inherited."""
    safe = {
        "__init__",
        "__module__",
        "__doc__",
        "transp_follow_expmap",  # made of expmap and transp
    }
    bookkeeping = {"ndim", "reversible", "__static_attributes__", "__firstlineno__"}
    ours = set(vars(Hyperboloid)) | set(vars(EmbeddingManifold))
    unseen = set(vars(geoopt.Lorentz)) - ours - safe - bookkeeping
    assert not {name for name in unseen if not name.startswith("_abc")}
