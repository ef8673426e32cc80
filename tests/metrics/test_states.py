"""States stay float64, whatever is done to the module that a metric is part of."""

import copy
import io
import pickle
import warnings

import pytest
import torch
from torch import nn
from torchmetrics import Metric, MetricCollection, MetricTracker

from equiform import EuclideanForm, Hyperboloid, functional
from equiform.metrics import (
    CompositionDefect,
    CosineSpread,
    EffectiveRank,
    KNNAccuracy,
    RelativeEquivariance,
    Uniformity,
    WahbaError,
)
from tests.metrics.clouds import unit

O3 = EuclideanForm().isometry_group(3)
GALLERY, CLASSES = unit(9, 3).float(), torch.arange(9) % 2
METRICS = [
    lambda: WahbaError(O3),
    lambda: WahbaError(O3, num_transformations=2),
    lambda: CompositionDefect(O3),
    RelativeEquivariance,
    CosineSpread,
    EffectiveRank,
    Uniformity,
    lambda: Uniformity(manifold=Hyperboloid(0.3)),
    lambda: KNNAccuracy(GALLERY, CLASSES, k=3),
]
every_metric = pytest.mark.parametrize("make", METRICS, ids=lambda make: type(make()).__name__)
CASTS = {
    "to bfloat16": lambda m: m.to(torch.bfloat16),
    "to float64": lambda m: m.to(torch.float64),
    "half": lambda m: m.half(),
    "float": lambda m: m.float(),
    "set_dtype": lambda m: cast(m, torch.bfloat16),
    "set_dtype of float64": lambda m: cast(m, torch.float64),
}


def cast(module, dtype):
    return module.set_dtype(dtype) if isinstance(module, Metric) else module.type(dtype)


def batches(metric, n=4):
    """Arguments of updates, in single precision."""
    for i in range(n):
        sets = [unit(18, 3).float() for _ in range(4)]
        if isinstance(metric, KNNAccuracy):
            yield sets[0], torch.arange(18) % 2
        elif isinstance(metric, CompositionDefect):
            yield tuple(sets)
        elif isinstance(getattr(metric, "manifold", None), Hyperboloid):
            yield tuple(metric.manifold.project(x[:, :2]) for x in sets[:2])
        else:
            # Which transformation it was.
            yield *sets[:2], *([i % 2] if getattr(metric, "num_transformations", None) else [])


def fed(metric, updates):
    for update in updates:
        metric.update(*update)
    return metric


@every_metric
@pytest.mark.parametrize("how", CASTS)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_no_cast_changes_a_metric(make, how):
    first, *rest = batches(make())
    expected = fed(make(), [first, *rest]).compute()
    alone, inner = make(), make()
    holder = nn.Sequential(nn.Linear(2, 2), nn.ModuleDict({"metric": inner}))
    for metric, module in ((alone, alone), (inner, holder)):
        metric.update(*first)
        CASTS[how](module)
        value = fed(metric, rest).compute()
        assert value.dtype == expected.dtype
        assert torch.equal(value, expected)
        CASTS[how](module)
        for reset in (False, True):
            if reset:
                metric.reset()
            assert {x.dtype for x in metric.metric_state.values()} == {torch.float64}
    if isinstance(alone, KNNAccuracy):
        assert alone.labels.dtype == torch.int64
        assert alone.features.dtype == torch.float32
    assert {x.device.type for x in alone.to("meta").metric_state.values()} == {"meta"}


def test_six_hundred_updates_in_a_half_precision_model():
    # In bfloat16 a counter stops at 256, and a sum not much later.
    collection = MetricCollection([EffectiveRank(), Uniformity()])
    model = nn.ModuleList([nn.Linear(2, 2), collection]).to(torch.bfloat16)
    pair = unit(6, 4).float(), unit(6, 4).float()
    for _ in range(600):
        model[1].update(*pair)
    values = collection.compute()
    torch.testing.assert_close(values["EffectiveRank"], functional.effective_rank(pair[0]))
    torch.testing.assert_close(values["Uniformity"], functional.uniformity(*pair))


@every_metric
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_copies_and_checkpoints_go_on(make):
    first, *rest = batches(make())
    expected = fed(make(), [first, *rest]).compute()
    for again in (copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m)), lambda m: m.clone()):
        assert torch.equal(fed(again(fed(make(), [first])), rest).compute(), expected)
    saved, file = fed(make(), [first]), io.BytesIO()
    saved.persistent(True)
    torch.save(saved.state_dict(), file)
    file.seek(0)
    states = torch.load(file, weights_only=True)
    before = {name: state.clone() for name, state in states.items()}
    other = make()
    other.persistent(True)
    other.load_state_dict(states)
    assert torch.equal(fed(other, rest).compute(), expected)
    assert all(torch.equal(state, before[name]) for name, state in states.items())
    # Of a checkpoint that was cast as a whole.
    other.load_state_dict({name: state.half() for name, state in before.items()})
    assert {x.dtype for x in other.metric_state.values()} == {torch.float64}


@every_metric
@pytest.mark.filterwarnings("ignore::UserWarning:equiform")
def test_before_the_first_update_there_is_no_value(make):
    metric = make()
    with pytest.warns(UserWarning, match="before the ``update`` method"):
        assert metric.compute().isnan()
    if hasattr(metric, "estimate"):
        assert all(x.isnan() for x in metric.estimate())
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        assert torch.equal(metric(*next(batches(metric))), metric.compute())
    metric.reset()
    with pytest.warns(UserWarning, match="before the ``update`` method"):
        assert metric.compute().isnan()


@every_metric
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_conventions_of_torchmetrics(make):
    first, second = batches(make(), 2)
    metric = make()
    values = [metric(*first), metric(*second)]
    for value, update in zip(values, (first, second), strict=True):
        assert not value.requires_grad
        assert torch.equal(value, fed(make(), [update]).compute())
    both = fed(make() + make(), [first, second])
    torch.testing.assert_close(both.compute(), 2 * metric.compute())
    tracker = MetricTracker(make())
    for update in (first, second):
        tracker.increment()
        tracker.update(*update)
    pick = max if metric.higher_is_better else min
    assert tracker.best_metric() == pytest.approx(float(pick(values)))


@every_metric
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_what_was_made_in_inference_mode_takes_more(make):
    first, *rest = batches(make())
    expected = fed(make(), [first, *rest]).compute()
    metric = make()
    with torch.inference_mode():
        metric.reset()
        metric(*first)
    torch.testing.assert_close(fed(metric, rest).compute(), expected)
    embeddings = first[0].clone().requires_grad_()
    metric.update(embeddings, *first[1:])
    assert not any(state.requires_grad for state in metric.metric_state.values())
