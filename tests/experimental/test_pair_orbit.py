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
        (lambda: PairOrbitLoss(Q8, num_chunks=0), ValueError, "num_chunks must be at least 1"),
        (lambda: PairOrbitLoss(Q8, num_chunks=2.0), TypeError, "num_chunks must be an int"),
        (lambda: PairOrbitLoss(Q8, reduction="meen"), ValueError, "reduction must be one of"),
        (lambda: PairOrbitLoss(torch.ones(2, 2, 2)), TypeError, "group must be a FiniteGroup"),
    ],
)
def test_errors_name_the_argument(call, error, message):
    with pytest.raises(error, match=message):
        call()
