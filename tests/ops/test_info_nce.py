"""The log-partition op: every route against its definition, both derivatives, and its bounds."""

import math
import os
import subprocess
import sys

import pytest
import torch

from equiform import Hyperboloid
from equiform.functional import info_nce, uniformity
from equiform.ops import log_partition
from equiform.ops.info_nce import autograd, tiled

TIGHT = {"rtol": 1e-12, "atol": 1e-12}


@pytest.fixture(autouse=True)
def _uninitialised_memory_is_nan():
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


@pytest.fixture
def _many_tiles(monkeypatch):
    """Tiles of nine or ten rows, the last of them shorter."""
    monkeypatch.setattr(tiled, "TILE", 1)
    monkeypatch.setattr(tiled, "MIN_ROWS", 9)


def rows(m, d, dtype=torch.float64):
    return (2 * torch.randn(m, d, dtype=dtype) / d**0.5).requires_grad_()


def by_inner_products(x, y):
    return x @ y.mT


def value_and_gradient(x, weight, **options):
    partition = log_partition(x, **options)
    return partition, *torch.autograd.grad(partition, x, weight)


@pytest.mark.parametrize("group", [1, 2, 3])
def test_the_reference_is_the_definition(group):
    x = rows(6, 4).detach()
    partition = log_partition(x, group=group, backend="reference")
    for i in range(6):
        others = [math.exp(float(x[i] @ x[j])) for j in range(6) if j // group != i // group]
        assert float(partition[i]) == pytest.approx(math.log(sum(others)), rel=1e-14)


@pytest.mark.parametrize("group", [1, 2])
@pytest.mark.parametrize("d", [1, 3, 17, 128])
@pytest.mark.parametrize("n", [1, 2, 17, 64, 129])
@pytest.mark.parametrize("score", [None, by_inner_products], ids=["op", "score"])
@pytest.mark.usefixtures("_many_tiles")
def test_tiles_agree_with_the_reference(n, d, group, score):
    x = rows(n * group, d)
    # Without another group the log-partition is -inf, which no loss passes a gradient to.
    weight = torch.randn(len(x), dtype=x.dtype) * (n > 1)
    expected = value_and_gradient(x, weight, group=group, backend="reference")
    for backend in ("auto", "tiled"):
        got = value_and_gradient(x, weight, group=group, backend=backend, score=score)
        torch.testing.assert_close(got, expected, **TIGHT)


@pytest.mark.usefixtures("_many_tiles")
@pytest.mark.parametrize("group", [1, 2])
def test_both_derivatives(group):
    x = rows(10, 3)

    def partition(x):
        return log_partition(x, group=group)

    assert torch.autograd.gradcheck(partition, x)
    assert torch.autograd.gradgradcheck(partition, x)
    # The gradient's own derivatives hold in ℓ and w apart from x, whatever ℓ is.
    free = torch.randn(2, 10, dtype=x.dtype, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda x, free: autograd._Gradient.apply(x, free[0], free[1], group, "tiled"), (x, free)
    )


@pytest.mark.parametrize("loss", [info_nce, uniformity])
def test_losses_have_second_derivatives(loss):
    z1, z2 = rows(4, 3), rows(4, 3)
    assert torch.autograd.gradgradcheck(loss, (z1, z2))


def test_a_third_derivative_is_refused():
    x = rows(4, 3)
    (gradient,) = torch.autograd.grad(log_partition(x).sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(gradient.square().sum(), x, create_graph=True)
    with pytest.raises(NotImplementedError, match="differentiable twice"):
        second.sum().backward()


def test_registration():
    x = rows(6, 3)
    torch.library.opcheck(autograd.registered, (x, 2, "tiled"))
    y, weight = x.detach(), torch.randn(6, dtype=x.dtype)
    torch.library.opcheck(autograd.registered_gradient, (y, log_partition(y), weight, 1, "tiled"))


@pytest.mark.parametrize("loss", [info_nce, uniformity])
def test_compiles_without_a_graph_break(loss):
    z1, z2 = rows(6, 3), rows(6, 3)
    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    got, expected = compiled(z1, z2), loss(z1, z2)
    torch.testing.assert_close(got, expected, **TIGHT)
    gradients = (torch.autograd.grad(value, (z1, z2)) for value in (got, expected))
    torch.testing.assert_close(*gradients, **TIGHT)


@pytest.mark.parametrize("n", [1, 6])
def test_any_layout_is_read_and_left_alone(n):
    x = torch.randn(4, 2 * n, dtype=torch.float64)
    views = [x.mT, x[:1, :1].expand(2 * n, 3), x.mT[:, ::2]]
    for view in views:
        leaf = view.detach().requires_grad_()
        before = x.clone()
        got = log_partition(leaf, group=2)
        torch.testing.assert_close(got, log_partition(view.clone(), group=2), **TIGHT)
        got.clamp(min=-1e3).sum().backward()
        assert leaf.grad is not None
        assert leaf.grad.isfinite().all()
        assert torch.equal(x, before)


@pytest.mark.usefixtures("_many_tiles")
def test_same_bits_twice():
    x = rows(50, 7, torch.float32)
    weight = torch.randn(50)
    first, second = (value_and_gradient(x, weight, group=2) for _ in range(2))
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])


@pytest.mark.parametrize("backend", ["reference", "tiled"])
def test_what_is_not_finite_shows(backend):
    x = torch.randn(6, 3)
    x[2, 1] = torch.nan
    assert log_partition(x, backend=backend).isnan().all()
    assert info_nce(x, x, backend=backend).isnan()
    assert info_nce(x[2:3], x[2:3], backend=backend).isnan()
    # Logits that overflow are infinite, not NaN.
    assert (log_partition(torch.full((4, 3), 1e30), backend=backend) == torch.inf).all()


def test_one_pair_has_nothing_to_learn():
    z1, z2 = rows(1, 3), rows(1, 3)
    loss = info_nce(z1, z2)
    loss.backward()
    assert loss == 0
    assert torch.equal(z1.grad, torch.zeros_like(z1))


@pytest.mark.parametrize("backend", ["reference", "tiled"])
def test_a_loss_near_zero_keeps_its_digits_in_single_precision(backend):
    """As training succeeds: the difference of two log-partitions would be wrong by 6%."""
    z1, z2 = torch.nn.functional.normalize(torch.randn(2, 64, 128), dim=-1)
    z2 = torch.nn.functional.normalize(z1 + 0.05 * z2, dim=-1)
    results = []
    for dtype in (torch.float32, torch.float64):
        leaf = z1.to(dtype).requires_grad_()
        loss = info_nce(leaf, z2.to(dtype), 0.05, backend=backend)
        results.append((loss.item(), torch.autograd.grad(loss, leaf)[0].double()))
    (loss, gradient), (exact, exact_gradient) = results
    assert 0 < exact < 1e-4
    assert loss == pytest.approx(exact, rel=1e-5)
    assert (gradient - exact_gradient).norm() < 1e-5 * exact_gradient.norm()


@pytest.mark.usefixtures("_many_tiles")
def test_a_manifold_goes_through_tiles_with_the_gradient_of_its_curvature():
    results = []
    for backend in ("tiled", "reference"):
        manifold = Hyperboloid(torch.tensor(1.3, dtype=torch.float64), learnable=True)
        torch.manual_seed(1)
        z = [manifold.project(rows(12, 4)) for _ in range(2)]
        loss = info_nce(*z, manifold=manifold, backend=backend)
        loss = loss + uniformity(*z, manifold=manifold, backend=backend)
        results.append((loss, *torch.autograd.grad(loss, [manifold.k, *z])))
        assert results[-1][1] != 0
    torch.testing.assert_close(*results, **TIGHT)


def test_a_manifold_of_inner_products_uses_the_op():
    class InnerProducts:
        inner_product_similarity = True

        def similarity(self, x, y=None):
            raise AssertionError("the op was not used")

    z1, z2 = rows(5, 3), rows(5, 3)
    for loss in (info_nce, uniformity):
        assert torch.equal(loss(z1, z2, manifold=InnerProducts()), loss(z1, z2))


MEMORY = """
import resource, torch
from equiform import Hyperboloid
from equiform.functional import info_nce
from equiform.ops import log_partition

def peak_growth(run, size):
    run(64)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    run(size)
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024

def loss(manifold):
    def run(n):
        z = torch.randn(2, n, 8, requires_grad=True)
        x = z if manifold is None else manifold.project(z)
        info_nce(x[0], x[1], manifold=manifold).backward()
    return run

print(peak_growth(loss(Hyperboloid()), 2048), peak_growth(loss(None), 8192))
"""


def test_memory_is_linear():
    """What a process of its own grows by, against the bytes of one matrix of logits."""
    run = [sys.executable, "-W", "ignore", "-c", MEMORY]
    # So that freed memory goes back at once, rather than when malloc's heap has no holes.
    env = os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536", "OMP_NUM_THREADS": "1"}
    output = subprocess.run(run, capture_output=True, text=True, check=True, env=env).stdout
    hyperbolic, inner = map(int, output.split())
    assert inner < 4 * 16384**2 / 20
    assert hyperbolic < 8 * 4096**2 / 2


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: log_partition(x, backend="fastest"), ValueError, "backend"),
        (lambda x: log_partition(x[None]), ValueError, r"shape \(m, d\)"),
        (lambda x: log_partition(x[:3], group=2), ValueError, "group=2"),
        (lambda x: log_partition(x, group=0), ValueError, "group=0"),
        (lambda x: log_partition(x[:0]), ValueError, "positive multiple"),
        (lambda x: log_partition(x.long()), TypeError, "int64"),
        (lambda x: log_partition(x.cfloat()), TypeError, "complex"),
        (
            lambda x: log_partition(x, score=by_inner_products, backend="triton"),
            ValueError,
            "inner products",
        ),
    ],
)
def test_errors_name_the_argument(call, error, message):
    with pytest.raises(error, match=message):
        call(torch.ones(4, 3))


def test_a_missing_triton_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "triton", None)
    with pytest.raises(ImportError, match=r'pip install "equiform\[triton\]"'):
        log_partition(torch.ones(2, 3), backend="triton")
