"""geoopt's optimisers on equiform's manifolds: both must find a Fréchet mean that is known."""

import geoopt
import pytest
import torch

from equiform.manifolds import Hyperboloid, Sphere

OPTIMISERS = {
    "adam": lambda p: geoopt.optim.RiemannianAdam([p], lr=0.1, stabilize=7),
    "amsgrad": lambda p: geoopt.optim.RiemannianAdam([p], lr=0.1, amsgrad=True),
    "sgd": lambda p: geoopt.optim.RiemannianSGD([p], lr=0.3),
    "momentum": lambda p: geoopt.optim.RiemannianSGD([p], lr=0.05, momentum=0.8, stabilize=10),
    "nesterov": lambda p: geoopt.optim.RiemannianSGD([p], lr=0.05, momentum=0.8, nesterov=True),
}


@pytest.mark.parametrize("optimiser", OPTIMISERS.values(), ids=OPTIMISERS.keys())
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
@pytest.mark.parametrize(
    "manifold", [Sphere(), Hyperboloid(), Hyperboloid(k=0.5)], ids=["sphere", "k=1", "k=0.5"]
)
def test_reaches_the_frechet_mean(manifold, dtype, optimiser):
    rng = torch.Generator().manual_seed(1)
    mean = manifold.project(torch.randn(4, generator=rng, dtype=dtype))
    # Points in opposite pairs around a centre have that centre as their mean.
    u = 0.5 * manifold.proju(mean, torch.randn(6, mean.shape[-1], generator=rng, dtype=dtype))
    data = manifold.expmap(mean, torch.cat([u, -u]))
    start = manifold.expmap(mean, 2 * u[0])
    p = geoopt.ManifoldParameter(start, manifold=manifold)
    opt = optimiser(p)
    for step in range(300):
        if step == 200:
            for group in opt.param_groups:
                group["lr"] *= 0.1
        opt.zero_grad()
        manifold.dist2(p, data).mean().backward()
        opt.step()
    assert manifold.check_point_on_manifold(p)
    assert manifold.dist(p, mean) < (1e-4 if dtype == torch.float32 else 1e-6)


@pytest.mark.parametrize("manifold", [Sphere(), Hyperboloid()], ids=["sphere", "hyperboloid"])
def test_starts_at_the_target_and_stays(manifold):
    """The loss is at its kink: one NaN in its gradient would poison the state for good."""
    target = manifold.project(torch.tensor([0.3, -1.0, 0.5]))
    p = geoopt.ManifoldParameter(target.clone(), manifold=manifold)
    opt = geoopt.optim.RiemannianAdam([p], lr=0.1)
    for _ in range(3):
        opt.zero_grad()
        manifold.dist(p, target).backward()
        opt.step()
    torch.testing.assert_close(p.data, target)


def test_float32_far_from_the_origin():
    """At radius 8 geoopt's Lorentz has lost every digit of a distance of 1."""
    manifold = Hyperboloid()
    target = manifold.expmap0(torch.tensor([0.0, 8.0, 0.0, 0.0]))
    start = manifold.expmap(target, manifold.transp0(target, torch.tensor([0.0, -0.3, 0.8, 0.5])))
    p = geoopt.ManifoldParameter(start, manifold=manifold)
    opt = geoopt.optim.RiemannianAdam([p], lr=0.1)
    for step in range(300):
        opt.param_groups[0]["lr"] = 0.1 * 0.97**step
        opt.zero_grad()
        manifold.log_cosh_dist(p, target).backward()
        opt.step()
    assert manifold.dist(p, target) < 1e-2
