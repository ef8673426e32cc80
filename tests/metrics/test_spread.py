"""Effective rank, and the spread of cosines, against their definitions in numpy."""

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import assume, given

from equiform import (
    EuclideanForm,
    Joint,
    MinkowskiForm,
    SpecialOrthogonal,
    SymplecticForm,
    functional,
)
from equiform.metrics import CosineSpread
from equiform.testing import group_elements, matrices
from tests.cases import FORMS
from tests.metrics.clouds import unit


def test_effective_rank_of_known_spectra():
    eye = torch.eye(5, dtype=torch.float64)
    assert float(functional.effective_rank(eye)) == pytest.approx(5)
    assert float(functional.effective_rank(eye[:2])) == pytest.approx(2)
    assert float(functional.effective_rank(eye[:1].expand(9, 5))) == pytest.approx(1)
    assert float(functional.effective_rank(torch.zeros(4, 3))) == pytest.approx(1)
    p = torch.tensor([0.5, 0.25, 0.25], dtype=torch.float64)
    entropy = -(p * p.log()).sum()
    spectrum = torch.diag(p.sqrt())
    torch.testing.assert_close(functional.effective_rank(spectrum), entropy.exp())


@given(data=st.data())
def test_effective_rank_needs_only_the_second_moment(data):
    sesquilinear = data.draw(st.booleans())
    n, d = data.draw(st.integers(1, 7)), data.draw(st.integers(1, 5))
    z = data.draw(matrices(n, d, sesquilinear=sesquilinear))
    rank = functional.effective_rank_moments(z.mH @ z)
    torch.testing.assert_close(rank, functional.effective_rank(z), rtol=1e-9, atol=1e-9)
    batch = torch.stack([z.mH @ z, torch.eye(d, dtype=z.dtype)])
    torch.testing.assert_close(
        functional.effective_rank_moments(batch)[1], torch.tensor(d * 1.0).to(rank)
    )


@pytest.mark.parametrize("case", FORMS, ids=lambda case: case.id)
@given(data=st.data())
def test_effective_rank_of_a_form_is_that_of_its_gram(case, data):
    form, d = case.form, case.dim
    z = data.draw(matrices(d + 2, d, sesquilinear=form.sesquilinear))
    assume(z.abs().max() > 1e-2)
    c = form.coordinates(z)
    s = np.linalg.svd(form.gram(z).numpy(), compute_uv=False)[:d]
    energy = float(c.abs().square().sum())
    index = min(form.signature(d))
    threshold = 1e-3 * energy if index >= 2 else 0
    # Of what lies at the threshold itself rounding decides.
    assume(not ((s > 0.5 * threshold) & (s < 2 * threshold)).any())
    s = np.where(s < threshold, 0, s)
    assume(s.max() > 1e-9 * energy or s.max() == 0)  # whether that is a direction, rounding says
    p = s[s > 0] / s.sum() if s.any() else s[:0]
    expected = np.exp(-(p * np.log(p)).sum()) if s.any() else 0
    assert float(functional.effective_rank(z, form)) == pytest.approx(expected, rel=1e-6, abs=1e-6)
    if index == 0 and form.frame(d) is None:
        torch.testing.assert_close(
            functional.effective_rank(z, form), functional.effective_rank(z), rtol=1e-9, atol=1e-9
        )


def test_effective_rank_of_null_points():
    null = torch.tensor([[1.0, 1.0, 0.0]], dtype=torch.float64) * torch.randn(9, 1).double()
    assert functional.effective_rank(null, MinkowskiForm()) == 0
    assert functional.effective_rank_moments(null.mT @ null, MinkowskiForm()) == 0
    assert functional.effective_rank(0 * null, MinkowskiForm()) == 1  # as of any zeros
    joint = Joint([(MinkowskiForm(), slice(0, 3)), (EuclideanForm(), slice(3, 5))])
    z = torch.cat([null, torch.randn(9, 2).double()], 1)
    torch.testing.assert_close(
        functional.effective_rank(z, joint), functional.effective_rank(z[:, 3:])
    )


@given(data=st.data())
def test_no_isometry_changes_the_effective_rank(data):
    form = data.draw(st.sampled_from([MinkowskiForm(), SymplecticForm(), EuclideanForm()]))
    z = data.draw(matrices(7, 4))
    assume(torch.linalg.svdvals(z)[3] > 0.1)
    moved = z @ data.draw(group_elements(form.isometry_group(4), rapidities=(0.0, 0.5))).mT
    ranks = [functional.effective_rank(x, form) for x in (z, moved)]
    shares = torch.linalg.svdvals(form.gram(z))[:4] / z.square().sum()
    assume(shares[-1] > 1e-2)  # far from where a direction is none
    torch.testing.assert_close(*ranks, rtol=1e-6, atol=1e-6)


def numpy_spread(b, a):
    b, a = b.numpy().astype(np.complex128), a.numpy().astype(np.complex128)
    norms = np.linalg.norm(b, axis=-1) * np.linalg.norm(a, axis=-1)
    return np.var((a * b.conj()).sum(-1).real / norms)


@given(data=st.data())
def test_cosine_spread_is_its_definition(data):
    sesquilinear = data.draw(st.booleans())
    n, d = data.draw(st.integers(1, 7)), data.draw(st.integers(1, 4))
    b, a = (data.draw(matrices(n, d, sesquilinear=sesquilinear)) for _ in range(2))
    assume(min(b.abs().sum(-1).min(), a.abs().sum(-1).min()) > 1e-3)
    spread = functional.cosine_spread(b, a)
    assert float(spread) == pytest.approx(numpy_spread(b, a), abs=1e-12)
    assert 0 <= spread <= 1
    assert functional.cosine_spread(b.mT.contiguous().mT, 3 * a) == pytest.approx(float(spread))


def test_a_circle_turned_by_one_angle_has_no_spread(dtype):
    b = unit(50, 2).to(dtype)
    spread = functional.cosine_spread(b, b @ SpecialOrthogonal(2).sample(dtype=dtype).mT)
    assert spread.dtype == dtype
    assert spread < 1e-12
    # Cosines of unrelated directions of the circle have variance 1/2, and on S^{d-1} 1/d.
    assert functional.cosine_spread(unit(20_000, 2), unit(20_000, 2)) == pytest.approx(
        0.5, abs=0.02
    )
    assert functional.cosine_spread(unit(20_000, 8), unit(20_000, 8)) == pytest.approx(
        1 / 8, abs=0.01
    )


def test_cosine_spread_of_zeros_and_its_errors():
    b = torch.tensor([[1.0, 0.0], [0.0, 0.0]])
    assert functional.cosine_spread(b, b) == pytest.approx(0.25)  # cosines 1 and 0
    assert functional.cosine_spread(b[:1], b[:1]) == 0
    with pytest.raises(ValueError, match="one shape"):
        functional.cosine_spread(torch.ones(3, 2), torch.ones(4, 2))


def test_the_metric_averages_over_transformations_and_has_its_null():
    metric = CosineSpread()
    b = unit(2000, 2)
    sets = [(b, b @ SpecialOrthogonal(2).sample(dtype=torch.float64).mT) for _ in range(3)]
    sets[0] = (b, torch.where(b[:, :1] > 0, b, -b))  # turns half of the points by π: variance 1
    for pair in sets:
        metric.update(*pair)
    mean = np.mean([numpy_spread(*pair) for pair in sets])
    assert float(metric.compute()) == pytest.approx(mean, rel=1e-6)
    estimate = metric.estimate()
    assert estimate.value == metric.compute()
    assert estimate.low < estimate.value < estimate.high
    assert estimate.high - estimate.low < 0.01
    assert float(estimate.null) == pytest.approx(0.5, abs=0.03)


def test_the_metric_resolves_no_spread_at_all():
    # From raw moments the difference of two numbers near 1 would leave 1e-16.
    metric = CosineSpread()
    b = unit(50, 2)
    metric.update(b, b @ SpecialOrthogonal(2).exp(torch.tensor([[0, -0.1], [0.1, 0]]).double()).mT)
    assert metric.compute() < 1e-28
    assert metric.estimate().high < 1e-28


def test_the_interval_covers_the_variance_of_all_points():
    # Directions uniform on the sphere: the variance of their cosines is 1/3.
    covered = 0
    for _ in range(200):
        metric = CosineSpread()
        metric.update(unit(150, 3), unit(150, 3))
        _, low, high, _ = metric.estimate(level=0.9)
        covered += bool(low <= 1 / 3 <= high)
    # Three standard deviations of a binomial count.
    assert abs(covered - 180) <= 3 * (200 * 0.9 * 0.1) ** 0.5
