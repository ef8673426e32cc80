"""What users of torchmetrics expect: plots, constants, scripting, float64 states."""

import matplotlib
import pytest
import torch
from torchmetrics import MeanSquaredError

from equiform import EuclideanForm, Hyperboloid, Orthochronous, Sphere
from equiform.metrics import (
    CompositionDefect,
    CosineSpread,
    EffectiveRank,
    KNNAccuracy,
    RelativeEquivariance,
    Uniformity,
    WahbaError,
    equivariance_metrics,
)
from tests.metrics.clouds import unit

matplotlib.use("Agg")

O3 = EuclideanForm().isometry_group(3)
METRICS = [
    (lambda: WahbaError(O3), False),
    (lambda: WahbaError(Orthochronous(3), manifold=Hyperboloid()), False),
    (lambda: WahbaError(O3, num_transformations=2), False),
    (lambda: CompositionDefect(O3, held_out=False), False),
    (RelativeEquivariance, False),
    (CosineSpread, False),
    (lambda: Uniformity(manifold=Sphere()), False),
    (EffectiveRank, True),
    (lambda: KNNAccuracy(unit(9, 3), torch.arange(9) % 2, k=3), True),
]
every_metric = pytest.mark.parametrize("case", METRICS, ids=lambda case: type(case[0]()).__name__)


def fed(case):
    """A metric after two updates."""
    metric = case[0]()
    for i in range(2):
        b, *targets = (unit(20, 3) for _ in range(4))
        if isinstance(metric, KNNAccuracy):
            metric.update(b, torch.arange(20) % 2)
        elif isinstance(metric, CompositionDefect):
            metric.update(b, *targets)
        elif getattr(metric, "num_transformations", None):
            metric.update(b, targets[0], transformation=i)
        elif getattr(metric, "manifold", None) == Hyperboloid():
            metric.update(*(metric.manifold.project(x[:, :2]) for x in (b, targets[0])))
        else:
            metric.update(b, targets[0])
    return metric


@every_metric
def test_plots(case):
    metric = fed(case)
    figure, axes = metric.plot()
    value = float(metric.compute())
    assert any(value in line.get_ydata() for line in axes.get_lines())
    other, same = metric.plot([metric.compute(), 2 * metric.compute()], ax=axes)
    assert same is axes
    matplotlib.pyplot.close(figure)
    matplotlib.pyplot.close(other)


def test_a_panel_plots():
    panel = equivariance_metrics(3)
    panel.update(unit(20, 3), unit(20, 3))
    plots = panel.plot()
    assert len(plots) == len(panel)
    matplotlib.pyplot.close("all")


@every_metric
def test_constants_are_set(case):
    metric = case[0]()
    assert metric.is_differentiable is False  # states hold no graph
    assert metric.higher_is_better is case[1]
    assert metric.full_state_update is False
    for name, state in metric.metric_state.items():
        assert state.dtype == torch.float64, name


def test_bounds_of_plots_hold():
    bounds = [(case[0]().plot_lower_bound, case[0]().plot_upper_bound) for case in METRICS]
    assert bounds == [(0, None)] * 4 + [(0, 1)] * 2 + [(None, None), (0, None), (0, 1)]
    assert RelativeEquivariance(bounded=False).plot_upper_bound is None  # γ_f has none


@every_metric
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of torch.jit, and of torchmetrics' own
def test_it_can_be_scripted_as_torchmetrics_own(case):
    own = torch.jit.script(MeanSquaredError())
    assert type(torch.jit.script(case[0]())) is type(own)
    assert type(torch.jit.script(fed(case))) is type(own)
