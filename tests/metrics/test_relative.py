"""γ_b and γ_f: against their definitions, and from moments alone."""

import warnings
from functools import partial

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import assume, given

from equiform import HermitianForm, MetricForm, Moments, functional
from equiform.metrics import CollapseWarning, RelativeEquivariance
from equiform.testing import group_elements, matrices
from tests.cases import FORMS, JOINTS
from tests.metrics.clouds import unit

norm = torch.linalg.matrix_norm


@pytest.mark.parametrize("case", FORMS, ids=lambda case: case.id)
@given(data=st.data())
def test_gamma_b_is_its_definition_bounded_and_invariant(case, data):
    form, d = case.form, case.dim
    b, a = (data.draw(matrices(d + 2, d, sesquilinear=form.sesquilinear)) for _ in range(2))
    g = form.gram
    denominator = 2 * norm(g(a - b, a)) ** 2 + 2 * norm(g(a - b, b)) ** 2
    assume(denominator > 1e-2)
    gamma = functional.relative_equivariance(b, a, form)
    torch.testing.assert_close(gamma, norm(g(a) - g(b)) ** 2 / denominator, rtol=1e-6, atol=1e-9)
    assert 0 <= gamma <= 1 + 1e-9
    t = data.draw(group_elements(form.isometry_group(d), rapidities=(0.0, 0.5)))
    moved = functional.relative_equivariance(b @ t.mT, a @ t.mT, form)
    torch.testing.assert_close(moved, gamma, rtol=1e-5, atol=1e-7)
    assert functional.relative_equivariance(b, b @ t.mT, form) < 1e-9


@pytest.mark.parametrize("case", JOINTS, ids=lambda case: case.id)
@given(data=st.data())
def test_of_a_joint_form_it_sums_over_the_members(case, data):
    form, d = case.form, case.dim
    b, a = (data.draw(matrices(d + 2, d, sesquilinear=form.sesquilinear)) for _ in range(2))
    numerator = denominator = 0
    for member, s in form.members:
        g = partial(_gram, member, s)
        numerator += norm(g(a, a) - g(b, b)) ** 2
        denominator += 2 * norm(g(a - b, a)) ** 2 + 2 * norm(g(a - b, b)) ** 2
    assume(denominator > 1e-2)
    expected = numerator / denominator
    gamma = functional.relative_equivariance(b, a, form)
    torch.testing.assert_close(gamma, expected, rtol=1e-6, atol=1e-9)
    streamed = functional.relative_equivariance_moments(Moments.of(b, a), form)
    torch.testing.assert_close(streamed, expected, rtol=1e-3, atol=1e-6)
    metric = RelativeEquivariance(form)
    metric.update(b, a)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CollapseWarning)
        torch.testing.assert_close(metric.compute(), gamma)


def _gram(form, s, x, y):
    return x[:, s] @ form.matrix(s.stop - s.start, dtype=x.dtype) @ y[:, s].mH


@pytest.mark.parametrize("kind", ["symmetric", "skew", "hermitian"])
def test_any_matrix_of_a_form_serves(kind):
    m = torch.randn(4, 4, dtype=torch.complex128 if kind == "hermitian" else torch.float64)
    s = m - m.mT if kind == "skew" else m + m.mH
    b, a = torch.randn(2, 9, 4, dtype=m.dtype)
    grams = [x @ s @ y.mH for x, y in ((a, a), (b, b), (a - b, a), (a - b, b))]
    expected = norm(grams[0] - grams[1]) ** 2 / (2 * norm(grams[2]) ** 2 + 2 * norm(grams[3]) ** 2)
    form = MetricForm(s)
    torch.testing.assert_close(functional.relative_equivariance(b, a, form), expected)
    moments = Moments.of(b, a)
    torch.testing.assert_close(functional.relative_equivariance_moments(moments, form), expected)


def test_leading_axes_are_sets_of_their_own():
    b, a = torch.randn(2, 3, 9, 4)
    for measure in (functional.relative_equivariance, functional.relative_equivariance_care):
        each = torch.stack([measure(*pair) for pair in zip(b, a, strict=True)])
        torch.testing.assert_close(measure(b, a), each)


def test_gamma_b_of_scaling_and_of_noise():
    b = unit(50, 8)
    assert functional.relative_equivariance(b, 1.0001 * b) > 0.99
    small = functional.relative_equivariance(b, b + 1e-3 * torch.randn_like(b))
    assert 0.3 < small < 0.7
    assert functional.relative_equivariance(b, b) == 0


def test_gamma_f_is_the_papers_formula_pair_by_pair():
    b, a = unit(6, 3), unit(6, 3)
    a[0], a[1] = b[0], b[1]  # points that do not move: 0/0 counts as 0
    total = 0.0
    for i in range(6):
        for j in range(6):
            change = (a[i] - a[j]).square().sum() - (b[i] - b[j]).square().sum()
            moved = (a[i] - b[i]).square().sum() + (a[j] - b[j]).square().sum()
            total += float(change**2 / moved**2) if moved > 0 else 0.0
    gamma = functional.relative_equivariance_care(b, a)
    assert float(gamma) == pytest.approx(total / 36, rel=1e-12)


@pytest.mark.parametrize("case", FORMS, ids=lambda case: case.id)
@given(data=st.data())
def test_moments_say_as_much_as_the_points(case, data):
    form, d = case.form, case.dim
    b, a = (data.draw(matrices(d + 2, d, sesquilinear=form.sesquilinear)) for _ in range(2))
    displacement = norm(a - b) / norm(torch.cat([a, b]))
    assume(displacement > 1e-2)
    products = norm(form.gram(a - b, torch.cat([a, b])))
    assume(products > 1e-2 * norm(a - b) * norm(torch.cat([a, b])))
    expected = functional.relative_equivariance(b, a, form)
    parts = [Moments.of(x, y) for x, y in zip(b.split(2), a.split(2), strict=True)]
    streamed = sum(parts[1:], parts[0])
    gamma = functional.relative_equivariance_moments(streamed, form)
    torch.testing.assert_close(gamma, expected, rtol=0, atol=1e-6)


def test_accuracy_from_moments_is_as_documented():
    for t, bound in ((1, 1e-14), (1e-2, 1e-10), (1e-4, 1e-6)):
        b = torch.randn(5, 40, 8, dtype=torch.float64)
        a = b + t * torch.randn_like(b)
        # One call for all: moments may carry leading axes.
        gamma = functional.relative_equivariance_moments(Moments.of(b, a))
        expected = torch.stack(
            [functional.relative_equivariance(*pair) for pair in zip(b, a, strict=True)]
        )
        assert gamma.shape == (5,)
        assert (gamma - expected).abs().max() < bound


def test_moments_need_the_dtype_of_the_form():
    with pytest.raises(TypeError, match="complex"):
        functional.relative_equivariance_moments(Moments.zeros(d=3), HermitianForm())
    still = functional.relative_equivariance_moments(Moments.zeros(d=3))
    assert still == 0
