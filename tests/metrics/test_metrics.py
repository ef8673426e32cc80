"""What all metrics share: averages, several processes, the panel, and the alarm on collapse."""

import warnings

import pytest
import torch

from equiform import EuclideanForm, MinkowskiForm, SpecialOrthogonal, functional
from equiform.metrics import (
    CollapseWarning,
    CosineSpread,
    EffectiveRank,
    RelativeEquivariance,
    Uniformity,
    WahbaError,
    equivariance_metrics,
)
from tests.metrics.clouds import unit


@pytest.mark.parametrize(
    "make",
    [
        lambda: WahbaError(EuclideanForm().isometry_group(6)),
        RelativeEquivariance,
        lambda: RelativeEquivariance(bounded=False),
        CosineSpread,
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
