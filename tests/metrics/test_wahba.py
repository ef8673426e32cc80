"""W_f: points that were not fitted, its interval, its null, and on manifolds."""

import warnings

import numpy as np
import pytest
import torch

from equiform import (
    EuclideanForm,
    HermitianForm,
    Hyperboloid,
    MetricForm,
    MinkowskiForm,
    SpecialOrthogonal,
    Sphere,
    SymplecticForm,
    functional,
)
from equiform.metrics import CompositionDefect, TrivialFitWarning, WahbaError
from tests.metrics.clouds import unit

norm = torch.linalg.matrix_norm


def test_wahba_is_measured_on_points_that_were_not_fitted():
    group = EuclideanForm().isometry_group(8)
    b, a = unit(18, 8), unit(18, 8)  # unrelated: nine fitted points can be matched well by chance
    metric, fitted = WahbaError(group), WahbaError(group, held_out=False)
    metric.update(b, a)
    fitted.update(b, a)
    fit = group.recover(b[::2], a[::2])
    expected = norm(a[1::2] - b[1::2] @ fit.matrix.mT) / norm(a[1::2])
    torch.testing.assert_close(metric.compute(), expected)
    assert metric.compute() > 1.1 > fitted.compute()


def test_wahba_finds_each_update_its_own_element_and_tells_o_from_so():
    metric, special = (
        WahbaError(EuclideanForm().isometry_group(3)),
        WahbaError(SpecialOrthogonal(3)),
    )
    mirror = torch.diag(torch.tensor([1.0, 1.0, -1.0], dtype=torch.float64))
    for t in (torch.eye(3, dtype=torch.float64), mirror):
        b = unit(40, 3)
        metric.update(b, b @ t)
        special.update(b, b @ t)
    assert metric.compute() < 1e-6
    assert special.compute() > 0.1
    hermitian = WahbaError(HermitianForm().isometry_group(3))
    b = torch.randn(20, 3, dtype=torch.complex128)
    hermitian.update(b, b @ hermitian.group.sample(dtype=torch.complex128).mT)
    assert hermitian.compute() < 1e-6


def test_value_is_numpys():
    group = EuclideanForm().isometry_group(3)
    b, a = unit(21, 3), unit(21, 3)
    u, _, vt = np.linalg.svd((b[::2].mT @ a[::2]).numpy())
    rest_b, rest_a = b[1::2].numpy(), a[1::2].numpy()
    expected = np.linalg.norm(rest_a - rest_b @ u @ vt) / np.linalg.norm(rest_a)
    metric = WahbaError(group)
    metric.update(b, a)
    estimate = metric.estimate()
    assert float(estimate.value) == pytest.approx(expected, rel=1e-6)
    assert estimate.value == metric.compute()
    assert estimate.low < estimate.value < estimate.high


def test_interval_covers_the_error_that_the_fits_have_on_all_points():
    # Points of uneven noise, the same in all updates: their errors go together, and an interval
    # that took the updates for independent would be less than half as wide.
    d, n, sigma, covered = 4, 160, 0.4, 0
    group = EuclideanForm().isometry_group(d)
    for _ in range(200):
        metric, errors = WahbaError(group), []
        b = torch.randn(n, d, dtype=torch.float64)
        scale = torch.empty(n, 1, dtype=torch.float64).exponential_().sqrt()
        for t in group.sample(6, dtype=torch.float64):
            a = b @ t.mT + sigma * scale * torch.randn_like(b)
            metric.update(b, a)
            fit = group.recover(b[::2], a[::2]).matrix
            # Of all points: E|a - F b|² = |T - F|² + d σ² and E|a|² = d + d σ².
            errors.append(((norm(t - fit) ** 2 + d * sigma**2) / (d + d * sigma**2)).sqrt())
        estimate = metric.estimate()
        covered += bool(estimate.low <= torch.stack(errors).mean() <= estimate.high)
    assert abs(covered - 190) <= 3 * (200 * 0.95 * 0.05) ** 0.5


def test_a_lower_level_is_a_narrower_interval():
    metric = WahbaError(EuclideanForm().isometry_group(3))
    metric.update(unit(60, 3), unit(60, 3))
    half, most = metric.estimate(0.5), metric.estimate(0.99)
    assert most.low < half.low < half.value < half.high < most.high
    for level in (0, 1, 95):
        with pytest.raises(ValueError, match=f"strictly between 0 and 1, got {level}"):
            metric.estimate(level)


GROUPS = [
    EuclideanForm().isometry_group(4),
    SpecialOrthogonal(4),
    HermitianForm().isometry_group(4),
    MinkowskiForm().isometry_group(4),
    SymplecticForm().isometry_group(4),
]


@pytest.mark.parametrize("group", GROUPS, ids=repr)
def test_shuffled_pairs_are_the_null(group):
    dtype = torch.complex128 if group.form.sesquilinear else torch.float64
    b = torch.randn(4000, 4, dtype=dtype)
    metric, nulls = WahbaError(group), []
    for t in group.sample(3, dtype=dtype, rapidity=0.5):
        metric.update(b, b @ t.mT)
        # E|a - F b|² = E|a|² + E|F b|² of unrelated points, and |F|² is at least 4 in a group of
        # determinants ±1.
        nulls.append((1 + 4 / norm(t) ** 2).sqrt())
    estimate = metric.estimate()
    assert estimate.high < 1e-6
    assert float(estimate.null) == pytest.approx(float(sum(nulls)) / 3, abs=0.05)


@pytest.mark.parametrize("manifold", [Hyperboloid(), Hyperboloid(2.0), Sphere()], ids=repr)
def test_on_a_manifold_it_is_the_rms_of_geodesic_distances(manifold):
    group = manifold.isometry_group(4)
    size = 3 if isinstance(manifold, Hyperboloid) else 4
    b, a = manifold.project(torch.randn(2, 41, size, dtype=torch.float64))
    metric = WahbaError(group, manifold=manifold)
    metric.update(b, a)
    fit = group.recover(b[::2], a[::2]).matrix
    x, y = a[1::2].numpy(), (b[1::2] @ fit.mT).numpy()
    if size == 3:
        k = float(manifold.k)
        distance = np.sqrt(k) * np.arccosh((x[:, 0] * y[:, 0] - (x * y)[:, 1:].sum(-1)) / k)
    else:
        distance = np.arccos((x * y).sum(-1))
    estimate = metric.estimate()
    expected = np.sqrt(np.mean(distance**2))
    assert float(estimate.value) == pytest.approx(expected, rel=1e-6)
    twin = functional.wahba_error(b, a, manifold=manifold)
    assert float(twin) == pytest.approx(expected, rel=1e-9)
    exact = WahbaError(group, manifold=manifold)
    exact.update(b, b @ group.sample(component=(1,) * group.num_signs, dtype=torch.float64).mT)
    assert exact.compute() < 1e-6 < exact.estimate().null


def test_the_function_takes_batches_and_gradients(dtype):
    group = EuclideanForm().isometry_group(3)
    b, a = torch.randn(2, 5, 8, 3, dtype=dtype)
    errors = functional.wahba_error(b, a, group, held_out=False)
    for error, pair in zip(errors, zip(b, a, strict=True), strict=True):
        torch.testing.assert_close(error, functional.wahba_error(*pair, held_out=False))
        torch.testing.assert_close(error, group.recover(*pair).residual)
    errors = functional.wahba_error(b, a, group)
    torch.testing.assert_close(errors[1], functional.wahba_error(b[1], a[1]))
    strided = torch.stack([b, a], -1)
    torch.testing.assert_close(errors, functional.wahba_error(*strided.unbind(-1), group))
    still = torch.eye(3, dtype=dtype).requires_grad_()
    error = functional.wahba_error(still, still.detach(), held_out=False)
    error.backward()
    assert error == 0
    assert still.grad.eq(0).all()  # and not NaN
    if dtype == torch.float64:
        pair = (b[0].requires_grad_(), a[0].requires_grad_())
        assert torch.autograd.gradcheck(functional.wahba_error, pair)


def test_a_target_of_zeros_is_not_divided_by():
    b = unit(6, 3)
    error = functional.wahba_error(b, torch.zeros_like(b), held_out=False)
    torch.testing.assert_close(error, norm(b))


@pytest.mark.parametrize("s", ["symmetric", "skew", "hermitian"])
def test_with_a_metric_form_it_is_that_of_standard_coordinates(s):
    m = torch.randn(4, 4, dtype=torch.complex128 if s == "hermitian" else torch.float64)
    form = MetricForm(m - m.mT if s == "skew" else m + m.mH)
    standard = form.standard().isometry_group(4)
    b = torch.randn(40, 4, dtype=m.dtype)
    group = form.isometry_group(4)
    a = b @ group.sample(dtype=m.dtype, rapidity=0.5).mT + 0.1 * torch.randn_like(b)
    x, y = form.coordinates(b), form.coordinates(a)
    expected = functional.wahba_error(x, y, standard)
    torch.testing.assert_close(functional.wahba_error(b, a, group), expected, rtol=1e-6, atol=0)
    composed = functional.composition_defect(b, a, a, a, group)
    expected = functional.composition_defect(x, y, y, y, standard)
    torch.testing.assert_close(composed, expected, rtol=1e-5, atol=0)


def test_the_form_stands_for_its_group():
    b, a = torch.randn(2, 20, 4, dtype=torch.float64)
    form = MinkowskiForm()
    expected = functional.wahba_error(b, a, form.isometry_group(4))
    assert functional.wahba_error(b, a, form=form) == expected
    metric = WahbaError(form=form)
    metric.update(b, a)
    assert metric.compute() == expected
    with pytest.raises(ValueError, match="give one of the two"):
        WahbaError(SpecialOrthogonal(4), form=form)
    with pytest.raises(ValueError, match="give one of the two"):
        WahbaError(form=form, manifold=Sphere())


def test_a_group_that_leaves_the_manifold_or_the_dimension_is_refused():
    group = EuclideanForm().isometry_group(4)
    for use in (WahbaError, CompositionDefect):
        with pytest.raises(ValueError, match=r"does not map Hyperboloid.* to itself"):
            use(group, manifold=Hyperboloid())
    for points in (2, 4):
        call = functional.wahba_error if points == 2 else functional.composition_defect
        with pytest.raises(ValueError, match="the embeddings have d=5"):
            call(*torch.randn(points, 8, 5), group)


def test_a_trivial_fit_warns_once():
    metric = WahbaError(EuclideanForm().isometry_group(4))
    with pytest.warns(TrivialFitWarning, match="WahbaError fits 4 points in 4 dimensions") as seen:
        metric.update(unit(7, 4), unit(7, 4))
    assert seen[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        metric.update(unit(7, 4), unit(7, 4))
        metric.reset()
        metric.update(unit(7, 4), unit(7, 4))
        WahbaError(metric.group).update(unit(9, 4), unit(9, 4))
        WahbaError(metric.group, held_out=False).update(unit(5, 4), unit(5, 4))
    with pytest.warns(TrivialFitWarning):
        WahbaError(metric.group, held_out=False).update(unit(4, 4), unit(4, 4))
