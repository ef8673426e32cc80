"""The noisy fit for compact groups, against independent solvers, and its derivative."""

import hypothesis.strategies as st
import pytest
import scipy.spatial.transform
import torch
from hypothesis import assume, given

from equiform import (
    EuclideanForm,
    HermitianForm,
    Joint,
    MinkowskiForm,
    SpecialOrthogonal,
    SymplecticForm,
)
from equiform.groups.polar import polar_factor
from equiform.testing import matrices

norm = torch.linalg.matrix_norm
_R4 = slice(0, 4)
UNITARY_REAL = Joint([(EuclideanForm(), _R4), (SymplecticForm(), _R4)]).isometry_group(4)
COMPACT = [
    EuclideanForm().isometry_group(1),
    EuclideanForm().isometry_group(4),
    SpecialOrthogonal(1),
    SpecialOrthogonal(4),
    HermitianForm().isometry_group(3),
    UNITARY_REAL,
]
every_group = pytest.mark.parametrize("group", COMPACT, ids=repr)


def double(group):
    return torch.complex128 if group.form.sesquilinear else torch.float64


@every_group
def test_exact_data_are_recovered(group):
    t = group.sample(20, dtype=double(group))
    b = torch.randn(20, 3 * group.dim, group.dim, dtype=double(group))
    fit = group.recover(b, b @ t.mT)
    torch.testing.assert_close(fit.matrix, t)
    assert fit.residual.max() < 1e-13
    assert (fit.rank == group.dim).all()
    assert fit.identifiable.all()


@every_group
@given(data=st.data())
def test_no_other_member_fits_better(group, data):
    n = data.draw(st.integers(1, 3 * group.dim))
    b, a = (
        data.draw(matrices(n, group.dim, sesquilinear=group.form.sesquilinear)) for _ in range(2)
    )
    assume(norm(a) > 1e-3)
    fit = group.recover(b, a)
    assert group.contains(fit.matrix)
    torch.testing.assert_close(fit.residual, norm(a - b @ fit.matrix.mT) / norm(a))
    generator = torch.Generator().manual_seed(data.draw(st.integers(0, 2**32)))
    far = group.sample(20, generator=generator, dtype=double(group))
    noise = torch.randn(20, group.dim, group.dim, generator=generator, dtype=double(group))
    near = fit.matrix @ group.exp(0.05 * group.project_algebra(noise))
    rivals = torch.cat([far, near])
    assert (norm(a - b @ rivals.mT) >= norm(a - b @ fit.matrix.mT) * (1 - 1e-12) - 1e-12).all()


@given(data=st.data())
def test_so3_agrees_with_scipy(data):
    n = data.draw(st.integers(3, 8))
    b, a = data.draw(matrices(n, 3)), data.draw(matrices(n, 3))
    weights = torch.linspace(0.5, 2, n, dtype=torch.float64)
    fit = SpecialOrthogonal(3).recover(b, a, weights=weights)
    s = torch.linalg.svdvals(b.mT @ torch.diag(weights) @ a)
    assume(s[1] > 1e-2 and s[1] - s[2] > 1e-2)
    oracle, _ = scipy.spatial.transform.Rotation.align_vectors(
        a.numpy(), b.numpy(), weights=weights.numpy()
    )
    expected = torch.from_numpy(oracle.as_matrix())
    torch.testing.assert_close(fit.matrix, expected, rtol=1e-6, atol=1e-6)


def test_weights_are_repetitions():
    group = EuclideanForm().isometry_group(3)
    b, a = torch.randn(2, 5, 3, dtype=torch.float64)
    counts = torch.tensor([1, 2, 0, 3, 1])
    weighted = group.recover(b, a, weights=counts.double())
    repeated = group.recover(b.repeat_interleave(counts, 0), a.repeat_interleave(counts, 0))
    for x, y in zip(weighted, repeated, strict=True):
        torch.testing.assert_close(x, y)
    with pytest.raises(ValueError, match="weights"):
        group.recover(b, a, weights=torch.ones(4))
    with pytest.raises(ValueError, match="nonnegative"):
        group.recover(b, a, weights=-torch.ones(5))


def test_rank_deficient_data_are_not_identifiable():
    flat = torch.randn(9, 3, dtype=torch.float64)
    flat[:, 2] = 0
    full, special = EuclideanForm().isometry_group(3), SpecialOrthogonal(3)
    assert full.recover(flat, flat).rank == 2
    assert not full.recover(flat, flat).identifiable  # reflection through the plane is free
    assert special.recover(flat, flat).identifiable  # a rotation of the plane is determined
    line = flat * torch.tensor([1.0, 0, 0], dtype=torch.float64)
    assert not special.recover(line, line).identifiable
    assert not HermitianForm().isometry_group(3).recover(*[line + 0j] * 2).identifiable
    zero = full.recover(torch.zeros(4, 3), torch.zeros(4, 3))
    assert zero.rank == 0
    assert zero.residual == 0
    assert full.contains(zero.matrix)


def test_a_reflected_cloud_separates_o_from_so():
    b = torch.randn(20, 3, dtype=torch.float64)
    a = b * torch.tensor([1.0, 1.0, -1.0], dtype=torch.float64)
    full = EuclideanForm().isometry_group(3).recover(b, a)
    special = SpecialOrthogonal(3).recover(b, a)
    assert full.residual < 1e-14
    # W²_SO - W²_O = 4 σ_min of the cross moment, where its determinant is negative.
    gap = (special.residual * norm(a)) ** 2 - (full.residual * norm(a)) ** 2
    torch.testing.assert_close(gap, 4 * torch.linalg.svdvals(b.mT @ a)[-1])


@pytest.mark.parametrize("special", [False, True])
@pytest.mark.parametrize("d", [1, 2, 4])
def test_gradcheck_of_the_polar_factor(d, special):
    for m in (
        torch.randn(3, d, d, dtype=torch.float64),
        torch.eye(d, dtype=torch.float64).expand(2, d, d),  # repeated singular values
        torch.linalg.qr(torch.randn(2, d, d, dtype=torch.float64))[0] * 2,
    ):
        if special:
            m = m * torch.linalg.det(m).sgn()[:, None, None] if d % 2 else m
            s = torch.linalg.svdvals(m)
            sign = torch.linalg.det(m).sgn()
            if d > 1 and (s[:, -2] + sign * s[:, -1]).min() < 1e-3:
                continue
        m = m.clone().requires_grad_()
        assert torch.autograd.gradcheck(lambda x: polar_factor(x, special=special)[0], m)


def test_gradcheck_of_the_unitary_polar_factor():
    m = torch.randn(2, 3, 3, dtype=torch.complex128, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: polar_factor(x)[0], m)


def test_gradient_is_finite_where_the_factor_is_not_differentiable():
    for m in (torch.zeros(3, 3), torch.diag(torch.tensor([1.0, 0, 0])), -torch.eye(3)):
        m = m.clone().requires_grad_()
        factor, _ = polar_factor(m, special=True)
        (gradient,) = torch.autograd.grad(factor, m, torch.randn(3, 3))
        assert gradient.isfinite().all()


@every_group
def test_gradcheck_of_recover(group):
    b, a = torch.randn(2, 2 * group.dim, group.dim, dtype=double(group))
    b.requires_grad_()
    a.requires_grad_()
    assert torch.autograd.gradcheck(lambda x, y: group.recover(x, y)[:2], (b, a))


@every_group
def test_single_precision_and_strides(group):
    dtype = torch.complex64 if group.form.sesquilinear else torch.float32
    t = group.sample(dtype=dtype)
    b = torch.randn(group.dim, 7, dtype=dtype).mT
    fit = group.recover(b, b @ t.mT)
    assert fit.matrix.dtype == dtype
    torch.testing.assert_close(fit.matrix, t, rtol=1e-4, atol=1e-4)


def test_non_compact_groups_say_that_they_have_no_noisy_fit():
    group = MinkowskiForm().isometry_group(3)
    with pytest.raises(NotImplementedError, match="extend"):
        group.recover(torch.randn(4, 3), torch.randn(4, 3))
