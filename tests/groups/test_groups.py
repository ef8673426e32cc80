"""Every group: its algebra, its elements and components, membership and polar projection."""

import math

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given

from equiform import (
    EuclideanForm,
    HermitianForm,
    IndefiniteForm,
    MetricForm,
    MinkowskiForm,
    Orthochronous,
    SpecialOrthogonal,
    SymplecticForm,
)
from equiform.forms import BilinearForm
from equiform.testing import group_elements, matrices
from tests.cases import FORMS, GROUPS, JOINTS, in_coordinates

every_group = pytest.mark.parametrize("case", GROUPS, ids=lambda case: case.id)
norm = torch.linalg.matrix_norm


def double(group):
    return torch.complex128 if group.form.sesquilinear else torch.float64


def preserves(group, t, rtol):
    """Membership written out: t^σ J t = J for each form, J conjugate, by dense matrices."""
    worst = 0.0
    for form, s in group.form.parts(group.dim):
        j = torch.zeros(group.dim, group.dim, dtype=t.dtype)
        j[s, s] = form.matrix(s.stop - s.start, dtype=t.dtype).conj()
        scale = norm(t, 2) ** 2 * norm(j, 2)
        worst = max(worst, float((norm(t.mH @ j @ t - j) / scale).max()))
    return worst <= rtol * group.condition


def test_every_form_has_a_group_case():
    assert {case.form for case in FORMS + JOINTS} <= {case.group.form for case in GROUPS}


@every_group
def test_dtypes_that_hold_no_elements_are_refused(case):
    group = case.group
    wrong = torch.float32 if group.form.sesquilinear else torch.complex64
    for dtype in (torch.int64, torch.bool, wrong):
        for make in (group.sample, group.algebra_basis):
            with pytest.raises(TypeError, match=r"dtype of .* must be .*, got torch"):
                make(dtype=dtype)
        t = torch.eye(group.dim, dtype=dtype)
        for use in (
            group.contains,
            group.polar,
            group.component,
            group.project_algebra,
            group.exp,
            group.balance,
        ):
            with pytest.raises(TypeError, match=r"must be .*, got torch"):
                use(t)
    with pytest.raises(TypeError, match="must be a tensor of matrices, got list"):
        group.contains(torch.eye(group.dim).tolist())


def test_membership_means_something_in_any_precision():
    # At a condition number of 1e4 rounding of float32 alone would let everything in.
    s = torch.diag(torch.tensor([1e4, 1.0, 1.0, -1e4]))
    group = MetricForm(s).isometry_group(4)
    assert group.contains(group.sample(20, rapidity=0.0, dtype=torch.float32)).all()
    assert not group.contains(torch.randn(20, 4, 4)).any()
    assert not group.contains(2 * torch.eye(4))
    assert not MinkowskiForm().isometry_group(4).contains(torch.randn(20, 4, 4).half()).any()


@every_group
def test_algebra_basis_is_orthonormal_and_of_the_textbook_dimension(case):
    basis = case.group.algebra_basis(dtype=double(case.group))
    assert basis.shape == (case.algebra_dim, case.group.dim, case.group.dim)
    flat = basis.flatten(1)
    gram = (flat.conj() @ flat.mT).real
    torch.testing.assert_close(gram, torch.eye(case.algebra_dim, dtype=gram.dtype))


@every_group
@given(data=st.data())
def test_algebra_projection_is_the_expansion_in_the_basis(case, data):
    group = case.group
    m = data.draw(matrices(group.dim, group.dim, sesquilinear=group.form.sesquilinear))
    basis = group.algebra_basis(dtype=m.dtype)
    coefficients = torch.einsum("kij,ij->k", basis.conj(), m).real.to(m.dtype)
    oracle = torch.einsum("k,kij->ij", coefficients, basis)
    torch.testing.assert_close(group.project_algebra(m), oracle)
    assert preserves(group, group.exp(oracle / (1 + norm(oracle))), 1e-13)


@every_group
@given(data=st.data())
def test_samples_are_members_with_the_asked_component(case, data):
    group = case.group
    signs = data.draw(st.tuples(*[st.sampled_from([1, -1])] * case.num_signs))
    rapidity = data.draw(st.floats(0, 5))
    generator = torch.Generator().manual_seed(data.draw(st.integers(0, 2**32)))
    t = group.sample(
        3, rapidity=rapidity, component=signs, generator=generator, dtype=double(group)
    )
    assert preserves(group, t, 100 * group.dim * 2e-16)
    assert group.contains(t).all()
    assert torch.equal(group.component(t), torch.tensor([signs] * 3).reshape(3, -1).to(t.real))
    t = in_coordinates(group, t)
    compact = torch.allclose(norm(t, 2), torch.ones(3, dtype=torch.float64))
    if not compact:
        expected = torch.full((3,), rapidity, dtype=torch.float64)
        torch.testing.assert_close(norm(t, 2).log(), expected, rtol=1e-6, atol=1e-6)


@every_group
def test_samples_follow_the_generator_and_the_dtype(case):
    draw = [case.group.sample(2, 5, generator=torch.Generator().manual_seed(s)) for s in (0, 0, 1)]
    assert draw[0].shape == (2, 5, case.group.dim, case.group.dim)
    assert draw[0].dtype == case.group.dtype
    assert torch.equal(draw[0], draw[1])
    if case.algebra_dim:
        assert not torch.equal(draw[0], draw[2])
    state = torch.get_rng_state()
    case.group.sample(generator=torch.Generator().manual_seed(0))
    assert torch.equal(torch.get_rng_state(), state)


@every_group
def test_a_batch_of_rapidities_broadcasts(case):
    t = case.group.sample(3, rapidity=torch.tensor([0.0, 1.0, 2.0]), dtype=double(case.group))
    t = in_coordinates(case.group, t)
    torch.testing.assert_close(norm(t[0], 2), torch.ones((), dtype=torch.float64))
    assert (norm(t, 2).diff() >= -1e-12 * case.group.condition).all()


@pytest.mark.parametrize("batch", [(), (1,), (3,), (0,)])
def test_exp_is_right_at_every_norm(batch, dtype):
    # torch's own matrix_exp is wrong for a single matrix at some small norms.
    group = EuclideanForm().isometry_group(2)
    for angle in (0.0, 1e-6, 1e-3, 0.01, 0.03, 0.04, 0.3, 0.5, 1.0, 3.0):
        xi = torch.tensor([[0.0, -angle], [angle, 0.0]], dtype=dtype).expand(*batch, 2, 2)
        c, s = math.cos(angle), math.sin(angle)
        expected = torch.tensor([[c, -s], [s, c]], dtype=dtype).expand(*batch, 2, 2)
        # Squaring up to angle 3 doubles the rounding a few times.
        tolerance = 10 * torch.finfo(dtype).eps
        torch.testing.assert_close(group.exp(xi), expected, rtol=0, atol=tolerance)


def test_samples_of_o2_are_haar():
    # First column uniform on the circle, determinant a fair coin, and independent of it.
    t = EuclideanForm().isometry_group(2).sample(20_000, dtype=torch.float64)
    angle = torch.atan2(t[:, 1, 0], t[:, 0, 0])
    det = torch.linalg.det(t).round()
    for sign in (1, -1):
        chosen = angle[det == sign]
        assert abs(len(chosen) / 20_000 - 0.5) < 0.02
        for k in (1, 2, 3):
            assert torch.exp(1j * k * chosen).mean().abs() < 0.04


def test_samples_of_u1_are_haar():
    phase = HermitianForm().isometry_group(1).sample(20_000, dtype=torch.complex128)[:, 0, 0]
    for k in (1, 2, 3):
        assert (phase**k).mean().abs() < 0.03


@every_group
def test_membership_rejects_what_is_not_a_member(case):
    group = case.group
    t = group.sample(rapidity=1.0, dtype=double(group))
    assert not group.contains(1.001 * t)
    assert not group.contains(t + 1e-6 * torch.ones_like(t))
    assert not group.contains(torch.full_like(t, torch.nan))
    assert not group.contains(torch.zeros_like(t))


def test_membership_is_relative_to_the_size_of_the_element():
    group = MinkowskiForm().isometry_group(4)
    t = group.sample(100, rapidity=5.0, dtype=torch.float64)
    absolute = norm(group.form.adjoint(t) @ t - torch.eye(4, dtype=t.dtype))
    assert absolute.max() > 1e-13 * 100  # an absolute tolerance would reject these
    assert group.contains(t).all()
    assert group.contains(t.float()).all()


def test_subgroups_refuse_the_other_components():
    mirror = torch.diag(torch.tensor([1.0, 1.0, -1.0]))
    assert not SpecialOrthogonal(3).contains(mirror)
    assert Orthochronous(3).contains(mirror)
    assert not Orthochronous(3).contains(-mirror)


@every_group
@given(data=st.data())
def test_polar_projects_onto_the_group(case, data):
    group = case.group
    t = data.draw(group_elements(group, rapidities=(0.0, 0.5, 2.0)))
    noise = data.draw(matrices(group.dim, group.dim, sesquilinear=group.form.sesquilinear))
    if not isinstance(group.form, BilinearForm):
        # The joint group sees the blocks of a matrix only.
        noise = group.project_algebra(noise)
    # T S with S = exp of a self-adjoint X: T is the polar factor.
    form = group.form
    if isinstance(form, BilinearForm):
        x = noise + form.adjoint(noise)
        s = torch.linalg.matrix_exp(0.3 * x / (1 + norm(x)))
        torch.testing.assert_close(group.polar(t @ s), t, rtol=1e-8, atol=1e-8)
    projected = group.polar(t @ (torch.eye(group.dim, dtype=t.dtype) + 1e-3 * noise))
    assert preserves(group, projected, 1e-10)
    torch.testing.assert_close(group.polar(projected), projected, rtol=1e-8, atol=1e-8)


def test_polar_raises_where_there_is_no_polar_factor():
    with pytest.raises(ValueError, match="no polar factor"):
        MinkowskiForm().isometry_group(2).polar(torch.zeros(2, 2))
    # Time and space swapped: m*m = -I.
    with pytest.raises(ValueError, match="no polar factor"):
        MinkowskiForm().isometry_group(2).polar(torch.tensor([[0.0, 1.0], [1.0, 0.0]]))
    with pytest.raises(ValueError, match="no polar factor"):
        Orthochronous(3).polar(-torch.eye(3))


def test_definite_forms_have_compact_groups():
    for form, d in ((IndefiniteForm(0, 2), 2), (IndefiniteForm(3, 0), 3), (HermitianForm(), 2)):
        t = form.isometry_group(d).sample(rapidity=3.0)
        torch.testing.assert_close(norm(t, 2), torch.ones(()))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: EuclideanForm().isometry_group(3).sample(component=[2]), "signs"),
        (lambda: EuclideanForm().isometry_group(3).sample(component=[1, 1]), "1 signs"),
        (lambda: SpecialOrthogonal(3).sample(component=[1]), "0 signs"),
        (lambda: EuclideanForm().isometry_group(3).sample(component=1), "1 signs"),
        (lambda: Orthochronous(3).sample(rapidity=torch.nan), "rapidity"),
        (lambda: Orthochronous(3).sample(2, rapidity=torch.tensor([1.0, -1.0])), "rapidity"),
        (lambda: EuclideanForm().isometry_group(3).polar(torch.ones(2, 2)), "shape"),
        (lambda: EuclideanForm().isometry_group(3).exp(torch.ones(3)), "shape"),
        (
            lambda: EuclideanForm().isometry_group(3).extend(torch.ones(2, 3), torch.ones(3, 3)),
            "one shape",
        ),
        (lambda: SymplecticForm().isometry_group(3), "even"),
        (lambda: Orthochronous(1), "got d=1"),
    ],
)
def test_errors_name_the_argument(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@every_group
def test_extend_keeps_the_dtype_and_batches(case):
    group = case.group
    dtype = torch.complex64 if group.form.sesquilinear else torch.float32
    t = group.sample(2, 3, rapidity=0.5, dtype=double(group))
    b = torch.randn(2, 3, 2 * group.dim, group.dim, dtype=double(group))
    h = group.extend(b.to(dtype), (b @ t.mT).to(dtype), rtol=1e-3)
    assert h.dtype == dtype
    torch.testing.assert_close(h, t.to(dtype), rtol=1e-2, atol=1e-2)
    assert group.extend(b[:0], b[:0]).shape == (0, 3, group.dim, group.dim)
