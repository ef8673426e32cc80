"""The pair-orbit loss: zero exactly where one element fits, and where that fails."""

import importlib
import itertools

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given

from equiform import DependencyMismatch
from equiform.experimental import FiniteGroup, PairOrbitLoss, pair_orbit
from equiform.testing import matrices
from tests.experimental.cases import EVEN_SIGNS, GROUPS, Q8, SEPARATED, all_elements, double

norm = torch.linalg.matrix_norm


def draws(group, count, n, generator):
    """Sets of points, and their images under one element or, every second, one a point."""
    b = torch.randn(count, n, group.dim, dtype=double(group), generator=generator)
    # Some points repeat, up to a factor, and some vanish: pairs of them say less.
    kind = torch.randint(4, (count, n), generator=generator)
    b = torch.where((kind == 0)[..., None], 2 * b[:, :1], b)
    b = torch.where((kind == 1)[..., None], 0, b)
    elements = all_elements(group)
    chosen = torch.randint(len(elements), (count, n), generator=generator)
    chosen[::2] = chosen[::2, :1]
    return b, torch.einsum("cnij,cnj->cni", elements[chosen], b)


@pytest.mark.parametrize("n", [1, 2, 3, 5])
@pytest.mark.parametrize("name", SEPARATED)
def test_pair_orbit_is_zero_exactly_where_one_element_fits(name, n):
    group, _ = GROUPS[name]
    b, a = draws(group, 500, n, torch.Generator().manual_seed(n))
    one_fits = norm(a[:, None] - b[:, None] @ all_elements(group).mT).amin(-1) < 1e-9
    assert one_fits[::2].all()
    if n > 2 and group.order > 2:
        assert one_fits[1::2].float().mean() < 0.9  # there are negative cases to tell apart
    assert torch.equal(pair_orbit(b, a, group) < 1e-18, one_fits)


def test_pairs_do_not_separate_even_sign_changes_in_space():
    group = FiniteGroup(EVEN_SIGNS)
    b = torch.eye(3, dtype=torch.float64)
    a = b * torch.tensor([-1.0, 1, 1])
    assert pair_orbit(b, a, group) == 0
    assert group.recover(b, a).residual > 0.5
    with pytest.raises(DependencyMismatch):
        group.extend(b, a)


@pytest.mark.parametrize("name", ["signs", "quaternions", "product", "even signs"])
@given(data=st.data())
def test_pair_orbit_is_the_definition(name, data):
    group, _ = GROUPS[name]
    n = data.draw(st.integers(1, 4))
    b, a = (
        data.draw(matrices(n, group.dim, sesquilinear=group.form.sesquilinear)) for _ in range(2)
    )
    expected = 0.0
    for g, s in zip(group.factors, group.blocks, strict=True):
        for i, j in itertools.product(range(n), repeat=2):
            squares = sum(float(z[k, s].abs().square().sum()) for z in (a, b) for k in (i, j))
            c = [
                sum(float((a[k, s].conj() @ t @ b[k, s]).real) for k in (i, j)) for t in g
            ]  # Re <a, g b>
            expected += (squares - 2 * max(c)) / n**2
    scale = norm(a) ** 2 + norm(b) ** 2
    assert abs(pair_orbit(b, a, group) - expected) <= 1e-12 * scale + 1e-300


def test_tiles_do_not_change_the_loss(monkeypatch):
    b, a = torch.randn(2, 3, 11, 2, dtype=torch.complex128)
    whole = pair_orbit(b, a, Q8)
    module = importlib.import_module("equiform.experimental.pair_orbit")
    monkeypatch.setattr(module, "_TILE", 3 * 11 * 8 * 2)  # two rows at a time
    # In tiles elements are chosen, from the same sums of two numbers: nothing is rounded anew.
    assert torch.equal(pair_orbit(b, a, Q8), whole)


@pytest.mark.parametrize("name", ["signs", "plane", "quaternions", "product"])
def test_gradcheck_of_pair_orbit(name):
    # Generic points: no two elements tie for a pair.
    group, _ = GROUPS[name]
    b, a = torch.randn(2, 4, group.dim, dtype=double(group))
    b.requires_grad_()
    a.requires_grad_()
    assert torch.autograd.gradcheck(lambda x, y: pair_orbit(x, y, group), (b, a))


def test_module_chunks_reduces_and_keeps_single_precision():
    b = torch.randn(12, 2, dtype=torch.complex64)
    t = Q8.sample(3)
    a = (b.view(3, 4, 2) @ t.mT).flatten(0, 1)
    assert PairOrbitLoss(Q8, num_chunks=3)(b, a) < 1e-12
    a = a + 0.1
    parts = pair_orbit(b.view(3, 4, 2), a.view(3, 4, 2), Q8)
    assert parts.dtype == torch.float32
    for reduction, expected in (("none", parts), ("mean", parts.mean()), ("sum", parts.sum())):
        loss = PairOrbitLoss(Q8, num_chunks=3, reduction=reduction)
        torch.testing.assert_close(loss(b, a), expected)
    assert "order=8" in repr(PairOrbitLoss(Q8))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: pair_orbit(torch.ones(3, 3), torch.ones(3, 3), Q8), ValueError, "2"),
        (lambda: PairOrbitLoss(Q8)(torch.ones(3, 2), torch.ones(3, 2)), TypeError, "complex"),
        (
            lambda: pair_orbit(torch.ones(3, 2), torch.ones(2, 2), Q8),
            ValueError,
            "one non-empty shape",
        ),
        (lambda: pair_orbit(torch.ones(3, 2), torch.ones(3, 2), None), TypeError, "FiniteGroup"),
        (lambda: pair_orbit(*torch.ones(2, 3, 3), FiniteGroup.signs(2)), ValueError, "z2 .* d=2"),
        (lambda: PairOrbitLoss(Q8, num_chunks=0), ValueError, "num_chunks must be at least 1"),
        (lambda: PairOrbitLoss(Q8, num_chunks=2.0), TypeError, "num_chunks must be an int"),
        (lambda: PairOrbitLoss(Q8, reduction="meen"), ValueError, "reduction must be one of"),
        (lambda: PairOrbitLoss(torch.ones(2, 2, 2)), TypeError, "group must be a FiniteGroup"),
    ],
)
def test_errors_name_the_argument(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("which", [0, 1])
def test_what_is_not_finite_stays_so_in_its_chunk(which, value):
    views = torch.randn(2, 3, 5, 2, dtype=torch.complex128)
    expected = pair_orbit(*views, Q8)
    views[which, 1, 2, 0] = value
    result = pair_orbit(*views, Q8)
    assert result.isfinite().tolist() == [True, False, True]
    torch.testing.assert_close(result[::2], expected[::2])


@pytest.mark.parametrize("scale", [0, 1e-40, 1e18, 1e30])
def test_it_overflows_to_infinity_and_scales_until_then(scale):
    b, a = torch.randn(2, 6, 3)
    z = (scale * b).requires_grad_()
    loss = pair_orbit(z, scale * a, FiniteGroup.signs(3))
    expected = scale**2 * pair_orbit(b.double(), a.double(), FiniteGroup.signs(3))
    torch.testing.assert_close(loss.double(), expected.float().double(), rtol=1e-5, atol=1e-37)
    assert torch.autograd.grad(loss, z)[0].isfinite().all()


def test_autocast_changes_nothing():
    b, a = torch.randn(2, 6, 2)
    group, m = FiniteGroup.cyclic(5), torch.randn(4, 2, 2)
    calls = (
        lambda: pair_orbit(b, a, group),
        lambda: group.misfits(b, a)[0],
        lambda: group.polar(m),
        lambda: FiniteGroup.generated_by(group.factors[0][1:2].float()).factors[0],
    )
    for call in calls:
        expected = call()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            result = call()
        assert result.dtype == expected.dtype
        assert torch.equal(result, expected)  # one and the same computation twice


def test_transforms():
    group = FiniteGroup.signs(3)
    b, a = torch.randn(2, 2, 4, 3, dtype=torch.float64)

    def loss(x, y):
        return pair_orbit(x, y, group)

    (expected,) = torch.autograd.grad(loss(x := b[0].clone().requires_grad_(), a[0]), x)
    torch.testing.assert_close(torch.func.vmap(loss)(b, a), loss(b, a))
    torch.testing.assert_close(torch.func.grad(loss)(b[0], a[0]), expected)
    torch.testing.assert_close(torch.func.vmap(torch.func.grad(loss))(b, a)[0], expected)
    tangents = torch.randn(2, 4, 3, dtype=torch.float64)
    slope = torch.func.jvp(loss, (b[0], a[0]), (tangents[0], 0 * tangents[1]))[1]
    torch.testing.assert_close(slope, (expected * tangents[0]).sum())
    # Quadratic in both views together: twice the value is the second derivative along them.
    hessian = torch.func.hessian(lambda t: loss(t * b[0], t * a[0]))(torch.ones(()).double())
    torch.testing.assert_close(hessian, 2 * loss(b[0], a[0]))


@pytest.mark.slow
def test_it_compiles():
    b, a = torch.randn(2, 6, 3)
    loss = PairOrbitLoss(FiniteGroup.signs(3), num_chunks=2)
    compiled = torch.compile(loss, fullgraph=True, dynamic=True, backend="aot_eager")
    torch.testing.assert_close(compiled(b, a), loss(b, a))
