"""Compact groups: the fit in closed form, against independent solvers, and the polar factor."""

import hypothesis.strategies as st
import pytest
import scipy.spatial.transform
import torch
from hypothesis import assume, given

from equiform import EuclideanForm, HermitianForm, SpecialOrthogonal
from equiform.groups.fit.polar import polar_factor
from equiform.testing import matrices

norm = torch.linalg.matrix_norm


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


@pytest.mark.parametrize("special", [False, True])
@given(data=st.data())
def test_a_singular_matrix_has_the_factor_closest_to_the_identity(special, data):
    d = data.draw(st.integers(2, 5))
    r = data.draw(st.integers(0, d - 1))
    seed = data.draw(st.integers(0, 2**32))
    generator = torch.Generator().manual_seed(seed)
    u, v = SpecialOrthogonal(d).sample(2, generator=generator, dtype=torch.float64)
    scale = torch.linspace(1, 2, d, dtype=torch.float64) * (torch.arange(d) < r)
    m = (u * scale) @ v.mT
    q, _ = polar_factor(m, special=special)
    torch.testing.assert_close(q.mT @ q, torch.eye(d, dtype=torch.float64))
    torch.testing.assert_close(q @ v[:, :r], u[:, :r])
    # Every other completion turns the open directions by an orthogonal matrix of its own.
    group = SpecialOrthogonal(d - r) if special else EuclideanForm().isometry_group(d - r)
    turns = group.sample(50, generator=generator, dtype=torch.float64)
    rivals = u[:, :r] @ v[:, :r].mT + u[:, r:] @ turns @ v[:, r:].mT
    eye = torch.eye(d, dtype=torch.float64)
    assert (norm(rivals - eye) >= norm(q - eye) - 1e-9).all()


def test_no_completion_is_closer_where_the_open_directions_are_orthogonal():
    m = torch.tensor([[0.0, 1.0], [0.0, 0.0]], dtype=torch.float64)
    q, _ = polar_factor(m)
    torch.testing.assert_close(q.mT @ q, torch.eye(2, dtype=torch.float64))
    assert float(q[0, 1]) == pytest.approx(1, abs=8 * torch.finfo(m.dtype).eps)


def test_a_failure_of_lapack_is_survived_by_way_of_the_adjoint(monkeypatch):
    m = torch.randn(5, 3, 3, dtype=torch.complex128)
    u, s, vh = torch.linalg.svd(m)
    whole = torch.linalg.svd

    def fails_once(x, **_):
        monkeypatch.setattr(torch.linalg, "svd", whole)
        raise torch.linalg.LinAlgError("did not converge")

    monkeypatch.setattr(torch.linalg, "svd", fails_once)
    factor, values = polar_factor(m)
    torch.testing.assert_close(factor, u @ vh)
    torch.testing.assert_close(values, s)
