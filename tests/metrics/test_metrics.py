"""What all metrics share: averages, several processes, the panel, and the alarm on collapse."""

import warnings
from functools import partial

import pytest
import torch

from equiform import (
    EuclideanForm,
    Hyperboloid,
    MinkowskiForm,
    SpecialOrthogonal,
    Sphere,
    SymplecticForm,
    functional,
)
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
    torch.testing.assert_close(result["uniformity"], functional.uniformity(b, b @ t.mT))


def lagrangian(n=60):
    """Points of the plane on which all symplectic products are zero."""
    return torch.cat([torch.randn(n, 4), torch.zeros(n, 4)], 1).double()


@pytest.mark.parametrize("noise", [0.0, 1e-3])
@pytest.mark.parametrize("fitted", [True, False])
def test_a_collapse_to_a_lagrangian_plane_is_seen(fitted, noise):
    form = SymplecticForm()
    b, a = lagrangian(), lagrangian()
    assert functional.pairwise_equivariance(b, a, form) == 0
    assert functional.relative_equivariance(b, a, form) == 0
    assert functional.effective_rank(b) > 3.5
    b, a = (x + noise * torch.randn_like(x) for x in (b, a))
    make = (
        (lambda: WahbaError(form.isometry_group(8)))
        if fitted
        else partial(RelativeEquivariance, form)
    )
    metric = make()
    metric.update(b, a)
    match = (
        r"collapsed \(effective rank 0\.00 of their Gram under SymplecticForm\(\)\).*EffectiveRank"
    )
    with pytest.warns(CollapseWarning, match=match):
        metric.compute()
    generic = make()
    generic.update(*torch.randn(2, 60, 8, dtype=torch.float64))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        generic.compute()


def test_a_symplectic_point_is_seen_too():
    metric = RelativeEquivariance(SymplecticForm())
    b = unit(1, 8) + 0.01 * torch.randn(60, 8, dtype=torch.float64)
    metric.update(b, b)
    with pytest.warns(CollapseWarning):
        metric.compute()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_a_cloud_far_out_on_the_hyperboloid_is_no_collapse(dtype):
    manifold = Hyperboloid()
    near = manifold.project(torch.randn(60, 4, dtype=torch.float64))
    group = manifold.isometry_group(5)
    far = near @ group.sample(rapidity=3.5, component=(1,), dtype=torch.float64).mT
    assert functional.effective_rank(far) < 1.2
    metric = WahbaError(manifold=manifold)
    metric.update(far.to(dtype), far.to(dtype))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        metric.compute()
    point = WahbaError(manifold=manifold)
    point.update(far[:1].expand(60, 5), far[:1].expand(60, 5))
    with pytest.warns(CollapseWarning, match=r"rank 1\.00 of their Gram under MinkowskiForm"):
        point.compute()


def test_the_panel_of_other_geometries():
    panel = equivariance_metrics(4, manifold=Hyperboloid())
    manifold = Hyperboloid()
    b, a = manifold.project(torch.randn(2, 40, 3, dtype=torch.float64))
    panel.update(b, a)
    result = panel.compute()
    expected = {
        "wahba": functional.wahba_error(b, a, manifold=manifold),
        "gamma_b": functional.relative_equivariance(b, a, MinkowskiForm()),
        "effective_rank": functional.effective_rank(b, MinkowskiForm()),
        "uniformity": functional.uniformity(b, a, manifold=manifold),
    }
    assert result.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(result[name], value)
    # On the sphere norms are the same everywhere: W_f is the paper's.
    sphere, plain = equivariance_metrics(4, manifold=Sphere()), equivariance_metrics(4)
    b, a = unit(40, 4), unit(40, 4)
    for metrics in (sphere, plain):
        metrics.update(b, a)
    assert sphere.keys() == plain.keys()
    for name, value in plain.compute().items():
        torch.testing.assert_close(sphere.compute()[name], value)
    symplectic = equivariance_metrics(4, form=SymplecticForm())
    symplectic.update(*torch.randn(2, 40, 4, dtype=torch.float64))
    assert symplectic.compute().keys() == {"wahba", "gamma_b", "effective_rank"}


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


def test_errors():
    group = EuclideanForm().isometry_group(3)
    with pytest.raises(ValueError, match="one shape"):
        WahbaError(group).update(torch.ones(4, 3), torch.ones(3, 3))
    with pytest.raises(ValueError, match="n=1"):
        WahbaError(group).update(torch.ones(1, 3), torch.ones(1, 3))
