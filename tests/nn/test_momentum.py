"""The momentum encoder against its formula, in every precision and on manifolds."""

import copy
import io
import pickle

import geoopt
import numpy as np
import pytest
import torch
from torch import nn

from equiform import Hyperboloid, Sphere
from equiform.nn import MomentumEncoder


def encoder():
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))


def move(module):
    """What training does to a module: parameters change, and running statistics."""
    module(torch.randn(9, 3, dtype=next(module.parameters()).dtype))
    with torch.no_grad():
        for p in module.parameters():
            p += torch.randn_like(p)


@pytest.mark.parametrize("momentum", [0.0, 0.3, 0.99, 1.0])
def test_parameters_follow_the_formula_and_buffers_are_copied(momentum, dtype):
    online = encoder().to(dtype)
    slow = MomentumEncoder(online, momentum)
    expected = [p.detach().clone() for p in online.parameters()]
    for _ in range(3):
        move(online)
        current = [p.detach().clone() for p in online.parameters()]
        expected = [
            momentum * e + (1 - momentum) * p for e, p in zip(expected, current, strict=True)
        ]
        slow.update(online)
        for p, e in zip(slow.parameters(), expected, strict=True):
            torch.testing.assert_close(p.detach(), e)
        for b, e in zip(slow.buffers(), online.buffers(), strict=True):
            assert torch.equal(b, e)
            assert b.data_ptr() != e.data_ptr()
        assert all(torch.equal(p, c) for p, c in zip(online.parameters(), current, strict=True))
        assert all(p.requires_grad for p in online.parameters())


@pytest.mark.parametrize("own", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_each_encoder_keeps_its_own_precision(own, dtype):
    online = nn.Linear(3, 2).to(dtype)
    slow = MomentumEncoder(online, np.float32(0.5)).to(own)
    before = slow.module.weight.double().clone()
    move(online)
    slow.update(online)
    expected = (before + online.weight.detach()) / 2
    eps = torch.finfo(own).eps  # one rounding of each of the two, and of the result
    assert slow.module.weight.dtype == own
    torch.testing.assert_close(slow.module.weight.double(), expected, rtol=2 * eps, atol=8 * eps)


def test_no_gradient_flows_and_the_encoder_is_not_shared():
    online = encoder()
    slow = MomentumEncoder(online)
    x = torch.randn(5, 3, requires_grad=True)
    assert not slow(x).requires_grad
    assert not any(p.requires_grad for p in slow.parameters())
    torch.testing.assert_close(slow(x), online(x).detach())
    before = slow(x)
    move(online)
    assert torch.equal(slow(x), before)


def test_modes_and_state():
    online = encoder()
    slow = MomentumEncoder(online, 0.5).eval()
    assert not any(m.training for m in slow.modules())
    move(online)
    slow.update(online)
    other = MomentumEncoder(encoder(), 0.5).eval()
    other.load_state_dict(copy.deepcopy(slow.state_dict()))
    x = torch.randn(1, 3)
    assert torch.equal(other(x), slow(x))
    assert "momentum=0.5" in repr(slow)


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ((encoder(), 1.5), ValueError, r"momentum must be in \[0, 1\], got 1\.5"),
        ((encoder(), -0.1), ValueError, "momentum must be finite and not negative, got -0.1"),
        ((encoder(), "0.9"), TypeError, "momentum must be a number"),
        ((None,), TypeError, "module must be a module .* got None"),
        ((nn.Linear,), TypeError, "module must be a module .* got <class"),
    ],
)
def test_momentum_encoder_checks_its_arguments(arguments, error, match):
    with pytest.raises(error, match=match):
        MomentumEncoder(*arguments)


def test_an_update_needs_the_encoder():
    with pytest.raises(TypeError, match=r"module must be a module .* got None"):
        MomentumEncoder(encoder()).update(None)
    with pytest.raises(ValueError, match="got a Linear whose parameters or buffers"):
        MomentumEncoder(encoder()).update(nn.Linear(3, 4))
    with pytest.raises(ValueError, match="run a batch through it first, got Lazy"):
        MomentumEncoder(nn.LazyLinear(3))
    slow = MomentumEncoder(encoder())
    slow.momentum = 1.5
    with pytest.raises(ValueError, match=r"momentum must be in \[0, 1\], got 1\.5"):
        slow.update(encoder())


HALVES = [torch.bfloat16, torch.float16]


def step(dtype):
    """An encoder of zeros in half precision, and its copy, to be followed to one."""
    online = nn.Linear(3, 2).to(dtype)
    nn.init.zeros_(online.weight)
    slow = MomentumEncoder(online, 0.999)
    nn.init.ones_(online.weight)
    return online, slow


@pytest.mark.parametrize("dtype", HALVES)
def test_half_precision_arrives(dtype):
    # Each step is a thousandth of what is left, where rounding takes 1/512 or 1/4096 of the whole.
    online, slow = step(dtype)
    for _ in range(2000):
        slow.update(online)
    expected = torch.full_like(online.weight, 1 - 0.999**2000)
    torch.testing.assert_close(slow.module.weight, expected, rtol=torch.finfo(dtype).eps, atol=0)


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("outside", [False, True])
def test_other_dtypes_on_the_way_lose_nothing(dtype, outside):
    online, slow = step(dtype)
    if outside:  # what was in float32 when it was made
        slow = MomentumEncoder(nn.Linear(3, 2), 0.999)
        nn.init.constant_(slow.module.weight, 1 / 3)
        slow.to(dtype)
    start = 1 / 3 if outside else 0.0
    ways = [nn.Module.half, nn.Module.bfloat16, nn.Module.float, lambda x: x.to(dtype)]
    for way in 5 * ways:
        for _ in range(10):
            slow.update(online)
        way(slow)
        assert slow.module.weight.dtype == way(online).weight.dtype
        online.to(dtype)
    # 200 steps, each rounded in float32.
    expected = torch.full((2, 3), 1 - (1 - start) * 0.999**200)
    torch.testing.assert_close(slow.float().module.weight.detach(), expected, rtol=2e-5, atol=0)


@pytest.mark.parametrize("dtype", HALVES)
def test_a_state_holds_the_digits_and_loads_across_precisions(dtype):
    online, slow = step(dtype)
    for _ in range(50):
        slow.update(online)
    assert slow.state_dict().keys() == MomentumEncoder(nn.Linear(3, 2)).state_dict().keys()
    file = io.BytesIO()
    torch.save(nn.ModuleDict({"slow": slow}).state_dict(), file)  # as a part of something else
    state = torch.load(io.BytesIO(file.getvalue()), weights_only=True)
    saved = state["slow.module.weight"].clone()
    copies = {name: step(dtype)[1] for name in ("loaded", "full", "older")}
    nn.ModuleDict({"slow": copies["loaded"]}).load_state_dict(state)
    copies["full"].float().load_state_dict(slow.state_dict())
    copies |= {"deep": copy.deepcopy(slow), "pickled": pickle.loads(pickle.dumps(slow))}
    rounded = {key: x.to(dtype) for key, x in slow.state_dict().items()}
    copies["older"].load_state_dict(rounded)  # as it was saved before there were such digits
    for _ in range(50):
        for each in (slow, *copies.values()):
            each.update(online)
    assert torch.equal(state["slow.module.weight"], saved)
    for name, each in copies.items():
        assert each.module.weight.dtype == (torch.float32 if name == "full" else dtype)
        # The older state was rounded once, the others were not.
        rtol = torch.finfo(dtype).eps if name == "older" else 1e-6
        got, expected = (x.state_dict()["module.weight"] for x in (each, slow))
        torch.testing.assert_close(got, expected, rtol=rtol, atol=0)


@pytest.mark.parametrize("dtype", HALVES)
def test_what_is_set_by_hand_is_where_it_was_set(dtype):
    online, slow = step(dtype)
    slow.update(online)
    nn.init.constant_(slow.module.weight, 0.5)
    assert (slow.state_dict()["module.weight"] == 0.5).all()
    slow.update(online)
    torch.testing.assert_close(slow.state_dict()["module.weight"], torch.full((2, 3), 0.5005))


class _Points(nn.Module):
    def __init__(self, manifold, *shape):
        super().__init__()
        points = manifold.projx(torch.randn(*shape, dtype=torch.float64))
        self.points = geoopt.ManifoldParameter(points, manifold=manifold)


@pytest.mark.parametrize("dtype", [*HALVES, torch.float32, torch.float64])
@pytest.mark.parametrize(
    "manifold",
    [Sphere(), Hyperboloid(2.0), geoopt.Lorentz(), geoopt.PoincareBall(), geoopt.Stiefel()],
    ids=lambda x: type(x).__name__,
)
def test_points_of_a_manifold_move_along_it(manifold, dtype):
    shape = (5, 3)
    online = _Points(manifold, *shape).to(dtype)
    slow = MomentumEncoder(_Points(manifold, *shape).to(dtype), 0.7)
    work = torch.promote_types(dtype, torch.float32)
    eps = torch.finfo(work).eps

    def place(module):
        return module.state_dict()[next(iter(module.state_dict()))].to(work).detach()

    target = manifold.projx(place(online))
    for _ in range(3):
        before = manifold.projx(place(slow))
        slow.update(online)
        after = place(slow)
        # A projection of a point that is there moves it by rounding.
        torch.testing.assert_close(after, manifold.projx(after), rtol=0, atol=200 * eps)
        assert isinstance(slow.module.points, geoopt.ManifoldParameter)
        if isinstance(manifold, Sphere | Hyperboloid):  # whose distances are exact
            left, all_ = (manifold.dist(x, target) for x in (after, before))
            torch.testing.assert_close(left, 0.7 * all_, rtol=200 * eps, atol=200 * eps)
    for _ in range(100):
        slow.update(online)
    # geoopt's own logarithms lose more than half the digits near a point.
    tolerance = 400 * eps if isinstance(manifold, Sphere | Hyperboloid) else eps**0.3
    torch.testing.assert_close(place(slow), target, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_finite_stays_so(value):
    for online in (nn.Linear(3, 3), nn.Linear(3, 3).bfloat16(), _Points(geoopt.Stiefel(), 3, 3)):
        slow = MomentumEncoder(online, 0.9)
        x = next(online.parameters())
        with torch.no_grad():
            x[0, 0] = value
        slow.update(online)
        assert not next(slow.module.parameters())[0, 0].isfinite()


def test_integers_are_copied():
    online = nn.ParameterDict({"bits": nn.Parameter(torch.arange(3), requires_grad=False)})
    slow = MomentumEncoder(online, 0.9)
    online["bits"] += 7
    slow.update(online)
    assert torch.equal(slow.module["bits"], torch.tensor([7, 8, 9]))
    assert slow.state_dict()["module.bits"].dtype == torch.int64
