"""The metrics: values against their definitions, held-out points, and the alarm on collapse."""

import warnings

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import assume, given

from equiform import EuclideanForm, HermitianForm, MinkowskiForm, SpecialOrthogonal, functional
from equiform.metrics import (
    CollapseWarning,
    EffectiveRank,
    RelativeEquivariance,
    Uniformity,
    WahbaError,
    equivariance_metrics,
)
from equiform.testing import group_elements, matrices
from tests.cases import FORMS

norm = torch.linalg.matrix_norm


def unit(*shape):
    return torch.nn.functional.normalize(torch.randn(*shape, dtype=torch.float64), dim=-1)


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


def test_wahba_is_measured_on_points_that_were_not_fitted():
    group = EuclideanForm().isometry_group(8)
    b, a = unit(16, 8), unit(16, 8)  # unrelated: eight fitted points can be matched well by chance
    metric, fitted = WahbaError(group), WahbaError(group, held_out=False)
    metric.update(b, a)
    fitted.update(b, a)
    fit = group.recover(b[::2], a[::2])
    expected = norm(a[1::2] - b[1::2] @ fit.matrix.mT) / norm(a[1::2])
    torch.testing.assert_close(metric.compute(), expected.float())
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


@pytest.mark.parametrize(
    "make",
    [
        lambda: WahbaError(EuclideanForm().isometry_group(6)),
        RelativeEquivariance,
        lambda: RelativeEquivariance(bounded=False),
    ],
)
def test_a_collapsed_encoder_cannot_be_missed(make):
    point = unit(1, 6)
    collapsed = point + 0.01 * torch.randn(40, 6, dtype=torch.float64)
    metric = make()
    metric.update(collapsed, collapsed)
    with pytest.warns(CollapseWarning, match=r"collapsed \(effective rank 1\.0"):
        score = metric.compute()
    assert score < 0.05  # perfect, and meaningless
    healthy = make()
    healthy.update(unit(40, 6), unit(40, 6))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        healthy.compute()


def test_the_panel_shows_everything_together():
    panel = equivariance_metrics(6)
    t = SpecialOrthogonal(6).sample(dtype=torch.float64)
    b = unit(64, 6)
    panel.update(b, b @ t.mT)
    result = panel.compute()
    assert set(result) == {
        "wahba",
        "wahba_so",
        "gamma_b",
        "gamma_f",
        "effective_rank",
        "uniformity",
    }
    assert result["wahba"] < 1e-6
    assert result["gamma_b"] < 1e-9
    assert result["effective_rank"] > 5
    torch.testing.assert_close(result["uniformity"], functional.uniformity(b, b @ t.mT).float())


def test_updates_are_averaged_pooled_and_reset():
    sets = [(unit(9, 4), unit(9, 4)) for _ in range(3)]
    rank, gamma, spread = EffectiveRank(), RelativeEquivariance(), Uniformity(0.5)
    for b, a in sets:
        for metric in (rank, gamma, spread):
            metric.update(b, a)
    mean = sum(float(functional.effective_rank(b)) for b, _ in sets) / 3
    assert float(rank.compute()) == pytest.approx(mean, rel=1e-6)
    mean = sum(float(functional.uniformity(b, a, 0.5)) for b, a in sets) / 3
    assert float(spread.compute()) == pytest.approx(mean, rel=1e-6)
    assert 0 < gamma.compute() < 1
    first = float(gamma.compute())
    gamma.reset()
    for b, a in sets:
        gamma.update(b, a)
    assert float(gamma.compute()) == first


def test_distributed_states_add_up():
    # What torchmetrics does across processes: states are summed.
    sets = [(unit(9, 4), unit(9, 4)) for _ in range(2)]
    group = EuclideanForm().isometry_group(4)
    whole, parts = WahbaError(group), [WahbaError(group), WahbaError(group)]
    for part, pair in zip(parts, sets, strict=True):
        whole.update(*pair)
        part.update(*pair)
    total = sum(part.total for part in parts) / sum(part.weight for part in parts)
    torch.testing.assert_close(whole.compute(), total.float())


@pytest.mark.filterwarnings("ignore:The ``compute`` method")
def test_errors_and_edges():
    group = EuclideanForm().isometry_group(3)
    with pytest.raises(ValueError, match="one shape"):
        WahbaError(group).update(torch.ones(4, 3), torch.ones(3, 3))
    with pytest.raises(ValueError, match="n=1"):
        WahbaError(group).update(torch.ones(1, 3), torch.ones(1, 3))
    with pytest.raises(ValueError, match="bounded"):
        RelativeEquivariance(MinkowskiForm(), bounded=False)
    assert EffectiveRank().compute() == 0
