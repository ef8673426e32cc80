r"""The First Fundamental Theorem, for every form and in both directions.

Points here are rows: A = B T^t for a group element T. Equal Gram matrices and equal linear
dependencies are equivalent to the existence of T; the counterexamples at the end show that for
indefinite and symplectic forms the second condition is needed.
"""

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import assume, given, settings

from equiform import (
    DependencyMismatch,
    EuclideanForm,
    HermitianForm,
    IndefiniteForm,
    MinkowskiForm,
    Orthochronous,
    SpecialOrthogonal,
    SymplecticForm,
)
from equiform.testing import group_elements, matrices, point_sets
from tests.cases import FORMS, JOINTS

U = torch.finfo(torch.float64).eps
every_form = pytest.mark.parametrize("case", FORMS + JOINTS, ids=lambda case: case.id)
single_form = pytest.mark.parametrize("case", FORMS, ids=lambda case: case.id)


norm = torch.linalg.matrix_norm


def norm2(m):
    return torch.linalg.matrix_norm(m, 2)


def conditioning(form, b):
    """μ and κ(B): how firmly the data determine a span and its radical; assumes clean gaps."""
    _, s, vh = torch.linalg.svd(b, full_matrices=False)
    assume(not ((s > 1e-11 * s[0]) & (s < 1e-3 * s[0])).any())
    r = int((s > 1e-3 * s[0]).sum()) if s[0] > 0 else 0
    if r == 0:
        return 1.0, 1.0
    strength = torch.linalg.svdvals(form.gram(vh[:r]))
    assume(not ((strength > 1e-13) & (strength < 1e-3)).any())
    nonzero = strength[strength > 1e-3]
    return float(nonzero.min()) if len(nonzero) else 1.0, float(s[0] / s[r - 1])


@every_form
@given(data=st.data())
def test_isometries_keep_the_gram_matrix(case, data):
    b = data.draw(point_sets(case.form, case.dim))
    t = data.draw(group_elements(case.form.isometry_group(case.dim)))
    error = (case.form.gram(b @ t.mT) - case.form.gram(b)).abs().max()
    frame = case.form.frame(case.dim)
    size = norm2(b) * norm2(t) * (1 if frame is None else norm2(frame))
    assert error <= 64 * U * case.dim * size**2


@single_form
@settings(max_examples=120)
@given(data=st.data())
def test_equal_grams_and_dependencies_come_from_an_isometry(case, data):
    form, d = case.form, case.dim
    group = form.isometry_group(d)
    b = data.draw(point_sets(form, d))
    mu, kappa_b = conditioning(form.standard(), form.coordinates(b))
    t = data.draw(group_elements(group))
    a = b @ t.mT
    h = group.extend(b, a)
    kappa = norm2(t) ** 2 * norm2(h) * kappa_b / mu * group.condition
    assert norm(a - b @ h.mT) <= 1e3 * U * d * kappa * norm(a)
    assert group.residual(h) <= 1e3 * U * d * kappa


@pytest.mark.parametrize("case", JOINTS, ids=lambda case: case.id)
@given(data=st.data())
def test_equal_joint_grams_come_from_a_joint_isometry(case, data):
    group = case.form.isometry_group(case.dim)
    b = data.draw(point_sets(case.form, case.dim))
    # Each member sees its own slice, and within it the eigenspaces of J.
    kappa_b = 1.0
    for form, s in case.form.members:
        j = form.matrix(s.stop - s.start, dtype=b.dtype)
        if form.sesquilinear and form.symmetry == -1:
            j = 1j * j
        for part in (b[:, s], b[:, s] + b[:, s] @ j, b[:, s] - b[:, s] @ j):
            kappa_b = max(kappa_b, max(conditioning(form, part)))
            kappa_b /= min(1.0, conditioning(form, part)[0])
    t = data.draw(group_elements(group))
    a = b @ t.mT
    h = group.extend(b, a)
    kappa = norm2(t) ** 2 * norm2(h) * kappa_b * group.condition
    error = norm(a - b @ h.mT)
    assert error <= 1e3 * U * case.dim * kappa * norm(a)
    assert group.residual(h) <= 1e3 * U * case.dim * kappa


@every_form
@given(data=st.data())
def test_group_elements_compose_and_stay_members(case, data):
    group = case.form.isometry_group(case.dim)
    s = data.draw(group_elements(group))
    t = data.draw(group_elements(group))
    for member in (s, t, s @ t, torch.linalg.inv(t)):
        assert group.residual(member) <= 100 * U * case.dim * norm2(s) * norm2(t)
    assert torch.equal(group.component(s @ t), group.component(s) * group.component(t))
    b = data.draw(point_sets(case.form, case.dim))
    step_by_step = (b @ t.mT) @ s.mT
    error = norm(step_by_step - b @ (s @ t).mT)
    assert error <= 100 * U * case.dim * norm2(s) * norm2(t) * norm(b)


@given(data=st.data())
def test_subgroups_extend_within_their_component(data):
    for group in (SpecialOrthogonal(4), Orthochronous(4)):
        b = data.draw(point_sets(group.form, group.dim))
        mu, kappa_b = conditioning(group.form, b)
        t = data.draw(group_elements(group))
        h = group.extend(b, b @ t.mT)
        kappa = norm2(t) ** 2 * norm2(h) * kappa_b / mu
        tolerance = 1e3 * U * group.dim * float(kappa)
        assert norm(b @ t.mT - b @ h.mT) <= tolerance * norm(b @ t.mT)
        assert group.contains(h, rtol=tolerance)


@given(data=st.data())
def test_points_of_a_hyperboloid_need_no_further_hypothesis(data):
    # One timelike row makes the span nondegenerate, at any n and rank, and both clouds on the
    # upper sheet make the isometry orthochronous.
    d, n = 4, data.draw(st.integers(1, 9))
    space = data.draw(matrices(n, d - 1))
    cloud = torch.cat([(1 + space.square().sum(-1, keepdim=True)).sqrt(), space], dim=-1)
    s = torch.linalg.svdvals(cloud)
    assume(not ((s > 1e-11 * s[0]) & (s < 1e-2 * s[0])).any())
    group = Orthochronous(d)
    t = data.draw(group_elements(group, rapidities=(0.0, 0.5, 2.0)))
    h = group.extend(cloud, cloud @ t.mT)
    error = norm(cloud @ t.mT - cloud @ h.mT)
    assert error <= 1e-8 * norm(cloud @ t.mT)


E1, E2, E3, E4 = torch.eye(4, dtype=torch.float64)
NULL = E1 + E2  # isotropic for the Minkowski form
ZERO = torch.zeros(4, dtype=torch.float64)


@pytest.mark.parametrize(
    ("form", "source", "target"),
    [
        (MinkowskiForm(), [NULL], [ZERO]),
        (MinkowskiForm(), [ZERO], [NULL]),
        (MinkowskiForm(), [NULL, NULL], [NULL, 2 * NULL]),
        (IndefiniteForm(2, 2), [E1 + E3], [ZERO]),
        (IndefiniteForm(2, 2), [E1 + E3, E2 + E4], [E1 + E3, E1 + E3]),
        (SymplecticForm(), [E1, E2], [E1, E1]),
        (SymplecticForm(), [E1, E1], [E1, E2]),
    ],
)
def test_equal_grams_alone_do_not_suffice(form, source, target):
    source, target = torch.stack(source), torch.stack(target)
    assert torch.equal(form.gram(source), form.gram(target))
    with pytest.raises(DependencyMismatch):
        form.isometry_group(4).extend(source, target)


def test_the_complex_bilinear_trap_is_refused():
    # (1, i)(1, i)^t = 0 without conjugation: a bilinear form over C would call it zero.
    trap = torch.tensor([[1, 1j]], dtype=torch.complex128)
    assert (trap @ trap.mT).abs().max() == 0
    with pytest.raises(TypeError):
        EuclideanForm().isometry_group(2).extend(trap, torch.zeros_like(trap))
    with pytest.raises(DependencyMismatch):
        HermitianForm().isometry_group(2).extend(trap, torch.zeros_like(trap))


@single_form
@given(data=st.data())
def test_different_grams_have_no_isometry(case, data):
    form, d = case.form, case.dim
    b = data.draw(matrices(2 * d, d, sesquilinear=form.sesquilinear))
    s = torch.linalg.svdvals(b)
    assume(s[-1] > 1e-2 * s[0] > 0)
    stretch = torch.ones(d, dtype=torch.float64)
    stretch[0] = data.draw(st.floats(1.1, 3.0))
    with pytest.raises(DependencyMismatch):
        form.isometry_group(d).extend(b, b * stretch)


def test_a_subgroup_raises_where_the_points_fix_the_wrong_component():
    b = torch.randn(5, 3, dtype=torch.float64)
    mirror = torch.diag(torch.tensor([-1.0, 1.0, 1.0], dtype=torch.float64))
    with pytest.raises(DependencyMismatch, match="component"):
        SpecialOrthogonal(3).extend(b, b @ mirror)
    with pytest.raises(DependencyMismatch, match="component"):
        Orthochronous(3).extend(b, b @ mirror)
    # In a plane the third direction is free, and a rotation does what the reflection did.
    flat = b * torch.tensor([1.0, 1.0, 0.0], dtype=torch.float64)
    h = SpecialOrthogonal(3).extend(flat, flat @ mirror)
    torch.testing.assert_close(flat @ h.mT, flat @ mirror)
    assert SpecialOrthogonal(3).contains(h)
