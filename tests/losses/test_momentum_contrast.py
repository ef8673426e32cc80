"""The loss of MoCo against its formula, row by row."""

import math

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given

from equiform import Hyperboloid, Sphere
from equiform.functional import momentum_contrast
from equiform.losses import MomentumContrastLoss
from equiform.testing import matrices


def numpy_loss(similarity, query, key, queue, temperature):
    rows = []
    for q, k in zip(query, key, strict=True):
        logits = np.array([similarity(q, x) for x in (k, *queue)]) / temperature
        top = logits.max()
        rows.append(top + np.log(np.exp(logits - top).sum()) - logits[0])
    return np.mean(rows)


@given(data=st.data())
def test_it_is_the_definition(data):
    n, m, d = (data.draw(st.integers(low, 5)) for low in (1, 0, 1))
    q, k, u = (data.draw(matrices(rows, d)) for rows in (n, n, m))
    temperature = data.draw(st.sampled_from([0.07, 0.2, 1.0]))
    expected = numpy_loss(np.dot, q.numpy(), k.numpy(), u.numpy(), temperature)
    loss = MomentumContrastLoss(temperature)(q, k, u)
    assert float(loss) == pytest.approx(expected, rel=1e-12, abs=1e-12 / temperature)
    strided = momentum_contrast(q.mT.contiguous().mT, k, u.flip(0), temperature)
    torch.testing.assert_close(strided, loss)


def test_manifolds_score_the_pairs(dtype):
    q, k, u = torch.randn(3, 4, 5, dtype=dtype)
    rel = 1e-5 if dtype == torch.float32 else 1e-12
    points = [Sphere().project(x) for x in (q, k, u)]
    expected = numpy_loss(np.dot, *(x.double().numpy() for x in points), 0.2)
    for manifold in (None, Sphere()):
        loss = momentum_contrast(*points, manifold=manifold)
        assert loss.dtype == dtype
        assert float(loss) == pytest.approx(expected, rel=rel)
    points = [Hyperboloid().project(x) for x in (q, k, u)]

    def minus_distance(x, y):
        return -math.acosh(max(1.0, x[0] * y[0] - x[1:] @ y[1:]))

    expected = numpy_loss(minus_distance, *(x.double().numpy() for x in points), 0.5)
    loss = MomentumContrastLoss(0.5, manifold=Hyperboloid())(*points)
    assert float(loss) == pytest.approx(expected, rel=100 * rel)


def test_gradcheck():
    q, k, u = (torch.randn(n, 3, dtype=torch.float64, requires_grad=True) for n in (4, 4, 5))
    assert torch.autograd.gradcheck(momentum_contrast, (q, k, u))
    assert torch.autograd.gradgradcheck(momentum_contrast, (q, k, u))


def test_an_empty_queue_gives_no_loss_and_no_gradient():
    q = torch.randn(3, 2, requires_grad=True)
    loss = momentum_contrast(q, torch.randn(3, 2), torch.zeros(0, 2))
    (gradient,) = torch.autograd.grad(loss, q)
    assert loss == 0
    assert torch.equal(gradient, torch.zeros(3, 2))


def test_small_temperatures_do_not_overflow_and_small_losses_keep_their_digits():
    q, u = torch.eye(2)[:1].requires_grad_(), torch.eye(2)[1:]
    loss = momentum_contrast(q, q.detach(), u, 0.05)
    assert float(loss.detach()) == pytest.approx(math.log1p(math.exp(-20)), rel=1e-5)
    loss = momentum_contrast(q, -q.detach(), u, 1e-4)
    (gradient,) = torch.autograd.grad(loss, q)
    assert float(loss.detach()) == pytest.approx(1e4)
    assert gradient.isfinite().all()


@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
def test_half_precision_is_upcast_and_autocast_is_left(half):
    q, k, u = torch.randn(3, 6, 8).to(half)
    expected = momentum_contrast(q.float(), k.float(), u.float())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        for queue in (u, u.float()):
            loss = momentum_contrast(q, k, queue)
            assert loss.dtype == torch.float32
            assert torch.equal(loss, expected)


@pytest.mark.parametrize(
    ("shapes", "temperature", "match"),
    [
        (((3, 2), (4, 2), (5, 2)), 0.2, r"one shape \(n, d\), got \(3, 2\) and \(4, 2\)"),
        (((3, 2), (3, 2), (5, 3)), 0.2, r"queue \(m, d\), got \(3, 2\) and \(5, 3\)"),
        (((3, 2), (3, 2), (2,)), 0.2, r"queue must have shape \(n, d\), got \(2,\)"),
        (((1, 3, 2), (1, 3, 2), (5, 2)), 0.2, r"query must have shape \(n, d\), got \(1, 3, 2\)"),
        (((3, 2), (3, 2), (5, 2)), 0.0, "temperature must be positive and finite, got 0"),
    ],
)
def test_errors(shapes, temperature, match):
    with pytest.raises(ValueError, match=match):
        momentum_contrast(*(torch.ones(shape) for shape in shapes), temperature)


@pytest.mark.parametrize("name", ["query", "key", "queue"])
def test_complex_embeddings_are_refused_by_name(name):
    sets = dict.fromkeys(("query", "key", "queue"), torch.ones(3, 2))
    wrong = sets | {name: torch.ones(3, 2, dtype=torch.cfloat)}
    with pytest.raises(TypeError, match=f"{name}.* must be .*real"):
        momentum_contrast(**wrong)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("which", [0, 1, 2])
def test_what_is_not_finite_gives_nan(which, value):
    sets = [torch.randn(n, 3) for n in (4, 4, 5)]
    sets[which][0, 0] = value
    assert momentum_contrast(*sets).isnan()
    assert which == 2 or momentum_contrast(*sets[:2], torch.zeros(0, 3)).isnan()


@pytest.mark.parametrize("scale", [0.0, 1e-40, 1e-20, 1e18, 1e30])
def test_extremes_are_right_or_overflow_to_infinity(scale):
    q, k, u = (scale * torch.randn(n, 3) for n in (4, 4, 5))
    for sets in ((q, k, u), (q, q, q)):
        expected = momentum_contrast(*(x.double() for x in sets)).float()
        expected = expected if scale < 1e19 else torch.tensor(torch.inf)
        torch.testing.assert_close(momentum_contrast(*sets), expected)
    assert momentum_contrast(q, k, u[:0]) == 0


def test_second_derivatives_at_the_origin_and_of_an_empty_queue():
    z = torch.zeros(3, 2, dtype=torch.float64)
    hessian = torch.func.hessian(lambda q, u: momentum_contrast(q, q, u))
    for q, u in ((z, z), (z + 1, z + 1), (z, z[:0])):
        assert hessian(q, u).isfinite().all()


def test_transforms():
    sets = [torch.randn(2, n, 3, dtype=torch.float64) for n in (4, 4, 5)]
    values = torch.stack([momentum_contrast(*parts) for parts in zip(*sets, strict=True)])
    torch.testing.assert_close(torch.func.vmap(momentum_contrast)(*sets), values)
    one, tangents = [x[0] for x in sets], [x[1] for x in sets]
    slope = 0.0
    for i, tangent in enumerate(tangents):
        leaves = [x.clone().requires_grad_() for x in one]
        (expected,) = torch.autograd.grad(momentum_contrast(*leaves), leaves[i])
        for transform in (torch.func.grad, torch.func.jacrev, torch.func.jacfwd):
            torch.testing.assert_close(transform(momentum_contrast, i)(*one), expected)
        slope = slope + (expected * tangent).sum()
    torch.testing.assert_close(
        torch.func.jvp(momentum_contrast, tuple(one), tuple(tangents)), (values[0], slope)
    )
    q = one[0].requires_grad_()
    losses = torch.stack([momentum_contrast(q, *one[1:]), momentum_contrast(q, *tangents[1:])])
    batched = torch.autograd.grad(
        losses, q, torch.eye(2).double(), is_grads_batched=True, retain_graph=True
    )[0]
    for loss, gradient in zip(losses, batched, strict=True):
        torch.testing.assert_close(torch.autograd.grad(loss, q, retain_graph=True)[0], gradient)


@pytest.mark.slow
def test_it_compiles_and_is_exported():
    loss = MomentumContrastLoss()
    compiled = torch.compile(loss, fullgraph=True, dynamic=True, backend="aot_eager")
    sets = [torch.randn(n, 3) for n in (4, 4, 5)]
    torch.testing.assert_close(compiled(*sets), loss(*sets))
    torch.testing.assert_close(torch.export.export(loss, tuple(sets)).module()(*sets), loss(*sets))


def test_devices_and_temperatures_are_checked():
    q = torch.ones(3, 2)
    for sets in ((q.to("meta"), q, q), (q, q.to("meta"), q), (q, q, q.to("meta"))):
        with pytest.raises(ValueError, match=r"must be on one device, got .*meta"):
            momentum_contrast(*sets)
    for temperature in (torch.tensor(0.2), "0.2", None, True):
        with pytest.raises(TypeError, match="temperature must be a number"):
            momentum_contrast(q, q, q, temperature)
        with pytest.raises(TypeError, match="temperature must be a number"):
            MomentumContrastLoss(temperature)
