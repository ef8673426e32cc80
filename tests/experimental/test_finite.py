"""Finite groups, against going through all elements."""

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import assume, given

from equiform import DependencyMismatch, EuclideanForm
from equiform.experimental import FiniteGroup
from equiform.groups import Moments
from equiform.testing import matrices
from tests.experimental.cases import GROUPS, PERMUTATIONS, Q8, TWISTED, all_elements, double

norm = torch.linalg.matrix_norm
every_group = pytest.mark.parametrize("name", GROUPS)


@every_group
def test_orders_membership_and_samples(name):
    group, order = GROUPS[name]
    elements = all_elements(group)
    assert group.order == order == len(elements)
    assert group.contains(elements).all()
    assert not group.contains(elements + 1e-9).any()
    assert not group.contains(torch.full_like(elements[0], torch.nan))
    products = elements[:, None] @ elements
    assert group.contains(products).all()
    t = group.sample(4000, generator=torch.Generator().manual_seed(0), dtype=double(group))
    place = (norm(t[:, None] - elements) < 1e-12).nonzero()[:, 1]
    share = torch.bincount(place, minlength=order) * order / 4000
    assert ((share - 1).abs() < 0.5).all()
    again = group.sample(4000, generator=torch.Generator().manual_seed(0))
    assert again.dtype == group.dtype
    torch.testing.assert_close(again, t.to(group.dtype), rtol=0, atol=0)


@every_group
def test_the_group_is_discrete(name):
    group, _ = GROUPS[name]
    t = group.sample(2, 3)
    assert t.dtype == group.dtype
    assert group.num_signs == 0
    assert group.component(t).shape == (2, 3, 0)
    assert group.algebra_basis().shape == (0, group.dim, group.dim)
    eye = torch.eye(group.dim).to(t).expand_as(t)
    torch.testing.assert_close(group.exp(group.project_algebra(t)), eye)
    assert torch.equal(group.balance(t @ t.mH), eye)
    assert f"d={group.dim}" in repr(group)


@every_group
@given(data=st.data())
def test_polar_is_the_nearest_element(name, data):
    group, _ = GROUPS[name]
    m = data.draw(matrices(group.dim, group.dim, sesquilinear=group.form.sesquilinear))
    nearest = norm(m - all_elements(group)).min()
    torch.testing.assert_close(norm(m - group.polar(m)), nearest)
    torch.testing.assert_close(group.residual(m), nearest)


@every_group
@given(data=st.data())
def test_recover_finds_the_best_of_all_elements(name, data):
    group, _ = GROUPS[name]
    n = data.draw(st.integers(1, 5))
    b, a = (
        data.draw(matrices(n, group.dim, sesquilinear=group.form.sesquilinear)) for _ in range(2)
    )
    assume(norm(a) > 1e-3)
    weights = torch.linspace(0.5, 2, n, dtype=torch.float64)
    fit = group.recover(b, a, weights=weights)
    root = weights.sqrt()[:, None]
    rivals = norm((a - b @ all_elements(group).mT) * root)
    torch.testing.assert_close(fit.residual, rivals.min() / norm(a * root))
    assert group.contains(fit.matrix)
    margins = []
    for g, block in zip(group.factors, group.blocks, strict=True):
        if len(g) == 1:
            continue
        moved = b[:, block] @ g.mT * root
        agreement = (moved.conj() * a[:, block] * root).real.sum((-2, -1)).sort().values
        scale = norm(moved[0]) * norm(a[:, block] * root)
        margins.append(float(agreement[-1] - agreement[-2]) / float(scale) if scale > 0 else 0)
    if all(margin > 1e-9 for margin in margins):
        assert fit.identifiable
    elif min(margins) < 1e-16:
        assert not fit.identifiable
    streamed = group.recover_moments(Moments.of(b, a, weights))
    assert torch.equal(streamed.matrix, fit.matrix)


@every_group
def test_batches_dtypes_and_strides(name, dtype):
    group, _ = GROUPS[name]
    dtype = dtype.to_complex() if group.form.sesquilinear else dtype
    t = group.sample(2, 3, dtype=dtype)
    b = torch.randn(2, 3, group.dim, 4, dtype=dtype).mT
    a = b @ t.mT
    fit = group.recover(b, a)
    assert fit.matrix.dtype == dtype
    torch.testing.assert_close(fit.matrix, t)
    assert fit.identifiable.all()
    assert (fit.rank == min(4, group.dim)).all()
    torch.testing.assert_close(group.extend(b, a), t)
    for x, y, z in zip(group.recover(b[1, 2], a[1, 2]), fit, fit, strict=True):
        torch.testing.assert_close(x, y[1, 2])
        assert z.shape[:2] == (2, 3)


@every_group
@given(data=st.data())
def test_extend_is_exact_or_raises(name, data):
    group, _ = GROUPS[name]
    n = data.draw(st.integers(1, 4))
    b = data.draw(matrices(n, group.dim, sesquilinear=group.form.sesquilinear))
    elements = all_elements(group)
    a = b @ elements[data.draw(st.integers(0, len(elements) - 1))].mT
    assert norm(a - b @ group.extend(b, a).mT) <= 1e-12 * norm(b)
    if norm(b) > 1e-3:
        with pytest.raises(DependencyMismatch, match="recover"):
            group.extend(b, 1.1 * a)


def test_extend_tells_elements_apart_by_a_point_that_moments_lose():
    group = FiniteGroup(torch.diag_embed(torch.tensor([[1.0, 1], [1, -1], [-1, 1], [-1, -1]])))
    b = torch.tensor([[1.0, 1e-9]], dtype=torch.float64)
    for t in all_elements(group):
        torch.testing.assert_close(group.extend(b, b @ t.mT), t)


def test_points_that_several_elements_fit_are_not_identifiable():
    b = torch.tensor([[1, 0], [2j, 0]], dtype=torch.complex128)
    assert not TWISTED.recover(b, b).identifiable
    assert TWISTED.recover(b + 1, b + 1).identifiable
    # One silent block is enough.
    signs = FiniteGroup.signs(2)
    assert not signs.recover(torch.eye(2)[:1], torch.eye(2)[:1]).identifiable
    assert signs.recover(torch.eye(2), torch.eye(2)).identifiable


def test_the_anchor_settles_what_data_leave_open():
    silent = torch.zeros(3, 2, dtype=torch.complex128)
    silent[:, 0] = 1
    fit = TWISTED.recover(silent, silent, anchor=0.1)
    torch.testing.assert_close(fit.matrix, torch.eye(2, dtype=torch.complex128))
    assert not fit.identifiable
    with pytest.raises(ValueError, match="anchor"):
        TWISTED.recover(silent, silent, anchor=-1.0)


def test_single_precision_elements_are_taken():
    group = FiniteGroup.generated_by(FiniteGroup.cyclic(7).factors[0][1:2].float())
    assert group.order == 7
    t = group.sample(5)
    b = torch.randn(5, 3, 2)
    torch.testing.assert_close(group.extend(b, b @ t.mT), t)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: FiniteGroup(), ValueError, "at least one factor"),
        (lambda: FiniteGroup(torch.ones(2, 2)), ValueError, r"\(k, b, b\)"),
        (lambda: FiniteGroup(2 * torch.eye(2)[None]), ValueError, "orthogonal"),
        (lambda: FiniteGroup(1j * torch.ones(1, 2, 2)), ValueError, "unitary"),
        (lambda: FiniteGroup(torch.eye(2).expand(2, 2, 2)), ValueError, "twice"),
        (lambda: FiniteGroup(torch.eye(2, dtype=torch.int64)[None]), ValueError, "int64"),
        (lambda: FiniteGroup(PERMUTATIONS[:4]), ValueError, "generated_by"),
        (lambda: FiniteGroup([[[1.0]]]), TypeError, r"factor 0 must be a tensor .* got list"),
        (lambda: FiniteGroup(torch.full((1, 1, 1), torch.nan)), ValueError, "orthogonal"),
        (lambda: FiniteGroup.generated_by(None), TypeError, "generators must be a tensor"),
        (lambda: FiniteGroup.signs(0), ValueError, "d must be at least 1"),
        (lambda: FiniteGroup.signs("3"), TypeError, "d must be an int"),
        (lambda: FiniteGroup.cyclic(2.5), TypeError, "order must be an int"),
        (lambda: FiniteGroup.cyclic(0), ValueError, "order"),
        (
            lambda: FiniteGroup.generated_by(EuclideanForm().isometry_group(3).sample(2)),
            ValueError,
            "max_order=256",
        ),
        (lambda: FiniteGroup.signs(2).sample(component=(1,)), ValueError, "component"),
        (lambda: Q8.recover(torch.ones(3, 2), torch.ones(3, 2)), TypeError, "complex"),
    ],
)
def test_errors_name_the_remedy(call, error, message):
    with pytest.raises(error, match=message):
        call()


@every_group
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_no_element_is_found_for_what_is_not_finite(name, value):
    group, _ = GROUPS[name]
    m = torch.stack(2 * [torch.eye(group.dim, dtype=double(group))])
    m[1, 0, -1] = value
    for result in (group.polar(m), group.balance(m), group.recover(m, m).matrix):
        assert result[0].isfinite().all()
        assert result[1].isnan().any()
    assert group.project_algebra(m)[1].isnan().any()
    assert not group.residual(m)[1].isfinite()
    assert group.contains(m).tolist() == [True, False]
    assert group.extend(m, m)[1].isnan().all()
