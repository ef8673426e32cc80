"""How manifolds behave as torch objects: dtypes, state, copies, strides, sampling, wrapping."""

import copy
import pickle

import geoopt
import pytest
import torch


def points(manifold, dtype, rng, *batch):
    return manifold.project(torch.randn(*batch, 4, dtype=dtype, generator=rng))


def test_arguments_are_not_mutated_and_may_be_strided(manifold, dtype, rng):
    dense = points(manifold, dtype, rng, 6)
    x = dense.mT.contiguous().mT
    assert not x.is_contiguous()
    y, v = points(manifold, dtype, rng, 6), torch.randn(x.shape, dtype=dtype, generator=rng)
    kept = [t.clone() for t in (x, y, v)]
    calls = {
        "projx": (x,),
        "proju": (x, v),
        "egrad2rgrad": (x, v),
        "inner": (x, v, v),
        "norm": (x, v),
        "expmap": (x, v),
        "retr": (x, v),
        "logmap": (x, y),
        "transp": (x, y, v),
        "retr_transp": (x, v, v),
        "expmap_transp": (x, v, v),
        "dist": (x, y),
        "dist2": (x, y),
        "pairwise_dist": (x, y),
        "similarity": (x, y),
        "project": (v,),
    }
    for name, args in calls.items():
        getattr(manifold, name)(*args)
        for t, before in zip((x, y, v), kept, strict=True):
            assert torch.equal(t, before), name
    torch.testing.assert_close(manifold.dist(x, y), manifold.dist(dense, y))


def test_half_precision_is_computed_in_float32(manifold, rng):
    z = torch.randn(5, 4, generator=rng).bfloat16().requires_grad_()
    x = manifold.project(z)
    assert x.dtype == torch.float32
    torch.testing.assert_close(x, manifold.project(z.float()))
    half = x.detach().bfloat16()
    for fn in (manifold.pairwise_dist, manifold.similarity):
        assert fn(half).dtype == torch.float32
        torch.testing.assert_close(fn(half), fn(half.float()))
    assert (manifold.dist(half, half) == 0).all()
    x.sum().backward()
    assert z.grad.dtype == torch.bfloat16


def test_integers_are_refused(manifold):
    with pytest.raises(TypeError, match=r"torch\.int64"):
        manifold.project(torch.ones(3, 4, dtype=torch.int64))


def test_state_moves_and_copies(manifold, dtype, rng):
    twin = type(manifold)()
    twin.load_state_dict(manifold.state_dict())
    x, y = points(manifold, dtype, rng, 2, 3)
    for other in (twin, copy.deepcopy(manifold), pickle.loads(pickle.dumps(manifold))):
        assert torch.equal(other.dist(x, y), manifold.dist(x, y))
    moved = copy.deepcopy(manifold).to(torch.float64)
    assert moved.dist(x, y).dtype == dtype  # the dtype of the points decides, not that of k
    torch.testing.assert_close(moved.dist(x, y), manifold.dist(x, y))


def test_random_points_are_reproducible_and_typed(manifold, dtype):
    a, b = (
        manifold.random(7, 4, dtype=dtype, generator=torch.Generator().manual_seed(3))
        for _ in range(2)
    )
    assert isinstance(a, geoopt.ManifoldTensor)
    assert a.manifold is manifold
    assert a.dtype == dtype
    assert torch.equal(a, b)
    assert manifold.check_point_on_manifold(a)
    assert manifold.random((7, 4)).shape == (7, 4)
    origin = manifold.origin(2, 4, dtype=dtype)
    assert manifold.check_point_on_manifold(origin)
    assert torch.equal(origin, manifold.origin(2, 4, dtype=dtype))


def test_scaled_wrapper_scales_lengths(manifold, rng):
    scaled = geoopt.Scaled(manifold, 3.0)
    x, y = points(manifold, torch.float64, rng, 2, 5)
    u = manifold.proju(x, y)
    torch.testing.assert_close(scaled.dist(x, y), 3 * manifold.dist(x, y))
    torch.testing.assert_close(scaled.pairwise_dist(x, y), 3 * manifold.pairwise_dist(x, y))
    torch.testing.assert_close(scaled.norm(x, u), manifold.norm(x, u))
    # geoopt takes 3^-1 in single precision, which is wrong by ε if pow is by a unit, and so are
    # tangent vectors, of norm up to 3.
    rounding = 4 * torch.finfo(torch.float32).eps
    for got, expected in (
        (scaled.expmap(x, u), manifold.expmap(x, u / 3)),
        (scaled.expmap(x, scaled.logmap(x, y)), y),
    ):
        torch.testing.assert_close(got, expected, rtol=rounding, atol=rounding)
    assert scaled.retr_transp(x, u, u)[0].shape == x.shape
    assert manifold.check_point_on_manifold(scaled.project(torch.randn(3, 4, generator=rng)))
