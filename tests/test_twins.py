"""Function and class of one name: the same arguments, the same defaults, the same number."""

import inspect
import itertools
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest
import torch

from equiform import (
    EuclideanForm,
    HermitianForm,
    Hyperboloid,
    Joint,
    MetricForm,
    MinkowskiForm,
    SpecialOrthogonal,
    Sphere,
    SymplecticForm,
    functional,
    losses,
    metrics,
)

# CompositionDefect and WahbaError say that few points are fitted, and a collapse is no matter here.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:equiform", "ignore:Grad strides")

N, D = 24, 4


class Twins(NamedTuple):
    """A function, its class, the options that both are given, and what they are called with."""

    function: Callable[..., Any]
    cls: type
    options: Mapping[str, Any] = MappingProxyType({})
    data: Callable[[torch.dtype], list[torch.Tensor]] = lambda dtype: clouds(2, dtype)
    #: Which of the data the function takes, where a metric's update takes more.
    taken: slice = slice(None)

    @property
    def id(self) -> str:
        return f"{self.cls.__name__}-{'-'.join(f'{k}={v}' for k, v in self.options.items())}"


def clouds(k, dtype, manifold=None):
    """Unrelated clouds: no value is 0, so that dtypes and splits show."""
    generator = torch.Generator().manual_seed(0)
    size = D - 1 if isinstance(manifold, Hyperboloid) else D
    z = torch.randn(k, N, size, dtype=torch.float64, generator=generator)
    z = z if manifold is None else manifold.project(z)
    return list(z.to(dtype))


def on(manifold, k=2):
    return partial(clouds, k, manifold=manifold)


def complex_clouds(dtype):
    re, im = torch.stack(clouds(4, dtype)).split(2)
    return list(torch.complex(re, im))


SPHERE, HYPERBOLOID, SYMPLECTIC = Sphere(), Hyperboloid(), SymplecticForm()
JOINT = Joint([(MinkowskiForm(), slice(0, 2)), (EuclideanForm(), slice(2, 4))])
S = torch.tensor([[2.0, 1, 0, 0], [1, -1, 0, 0], [0, 0, 3, 1], [0, 0, 1, 1]])
FORMS = [
    {"form": SYMPLECTIC},
    {"form": JOINT},
    {"form": MetricForm(S)},
    {"manifold": HYPERBOLOID},
    {"form": MinkowskiForm(), "manifold": HYPERBOLOID},
]
O4 = EuclideanForm().isometry_group(D)

WAHBA = Twins(functional.wahba_error, metrics.WahbaError)
COMPOSITION = Twins(functional.composition_defect, metrics.CompositionDefect, {}, on(None, 4))
RANK = Twins(functional.effective_rank, metrics.EffectiveRank, {}, on(None), slice(0, 1))
GAMMA = Twins(functional.relative_equivariance, metrics.RelativeEquivariance)

METRICS = [
    *(
        twins._replace(options=options)
        for twins in (WAHBA, COMPOSITION)
        for options in (
            {},
            {"group": O4},
            {"group": SpecialOrthogonal(D)},
            {"group": SymplecticForm().isometry_group(D)},
            {"group": MetricForm(S).isometry_group(D)},
            {"group": O4, "held_out": False},
            {"manifold": SPHERE, "held_out": False},
        )
    ),
    WAHBA._replace(data=complex_clouds),
    WAHBA._replace(options={"manifold": HYPERBOLOID}, data=on(HYPERBOLOID)),
    COMPOSITION._replace(options={"manifold": HYPERBOLOID}, data=on(HYPERBOLOID, 4)),
    *(twins._replace(options=o) for twins in (RANK, GAMMA) for o in ({}, *FORMS)),
    RANK._replace(data=complex_clouds),
    GAMMA._replace(data=complex_clouds),
    GAMMA._replace(options={"form": HermitianForm()}, data=complex_clouds),
    Twins(functional.cosine_spread, metrics.CosineSpread),
    Twins(functional.uniformity, metrics.Uniformity),
    Twins(functional.uniformity, metrics.Uniformity, {"temperature": 0.3}),
    Twins(functional.uniformity, metrics.Uniformity, {"manifold": HYPERBOLOID}, on(HYPERBOLOID)),
]
LOSSES = [
    *(
        twins
        for function, cls in (
            (functional.info_nce, losses.InfoNCELoss),
            (functional.uniformity, losses.UniformityLoss),
        )
        for twins in (
            Twins(function, cls),
            Twins(function, cls, {"temperature": 0.3}),
            Twins(function, cls, {"manifold": HYPERBOLOID}, on(HYPERBOLOID)),
        )
    ),
    Twins(functional.invariance, losses.InvarianceLoss),
    Twins(functional.invariance, losses.InvarianceLoss, {"manifold": SPHERE}, on(SPHERE)),
    Twins(functional.momentum_contrast, losses.MomentumContrastLoss, {}, on(None, 3)),
    Twins(
        functional.momentum_contrast, losses.MomentumContrastLoss, {"temperature": 1.0}, on(None, 3)
    ),
    *(
        Twins(functional.pairwise_equivariance, losses.PairwiseEquivarianceLoss, options)
        for options in (
            {},
            {"normalization": "care", "num_chunks": 3},
            {"num_chunks": 2, "reduction": "none", "center": True},
            {"orientation": 1.0},
            *(options | {"normalization": "relative"} for options in FORMS),
        )
    ),
]
#: Classes that are no function of their arguments alone, each with what holds it to one.
WITHOUT_TWIN = {
    "CARELoss",  # the sum of two of the others: tests/losses
    "EquivarianceMetric",
    "EstimatedMetric",
    "EmbeddingMetric",
    "PairMetric",
    "TransformationMetric",  # abstract
}


def value_of(twins, data):
    """What the class says."""
    instance = twins.cls(**twins.options)
    if not isinstance(instance, metrics.TransformationMetric):
        return instance(*data)
    instance.update(*data)
    return instance.compute()


#: In half precision without options only, and there is no complex bfloat16.
HALVES = [twins for twins in METRICS + LOSSES if not twins.options and twins.data != complex_clouds]
CASES = [
    *itertools.product(METRICS + LOSSES, [torch.float64, torch.float32]),
    *itertools.product(HALVES, [torch.bfloat16]),
]


def test_every_class_is_measured_in_half_precision():
    assert {twins.cls for twins in HALVES} == {twins.cls for twins in METRICS + LOSSES}


@pytest.mark.parametrize(
    ("twins", "dtype"), CASES, ids=lambda x: x.id if isinstance(x, Twins) else str(x)
)
def test_they_give_one_number(twins, dtype):
    data = twins.data(dtype)
    value = value_of(twins, data)
    expected = twins.function(*data[twins.taken], **twins.options)
    answered = torch.promote_types(dtype, torch.float32)
    assert value.dtype == expected.dtype == answered
    # A sum of n terms on each side, whose order is not the same.
    torch.testing.assert_close(value, expected, rtol=4 * N * torch.finfo(answered).eps, atol=0)
    assert (expected.abs() > 1e-3).all()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize("options", [{"k": 5}, {"k": 7, "temperature": 1.0}], ids=str)
def test_knn_gives_one_number(options, dtype):
    features, asked = clouds(2, dtype)
    labels, truth = torch.arange(N) % 3, torch.arange(N).flip(0) % 3
    metric = metrics.KNNAccuracy(features, labels, **options)
    metric.update(asked, truth)
    expected = functional.knn_accuracy(features, labels, asked, truth, **options)
    assert metric.compute().dtype == expected.dtype == dtype
    torch.testing.assert_close(metric.compute(), expected)


def test_orientation_gives_one_number():
    z1, z2 = clouds(2, torch.float64)
    z2 = z2 @ torch.diag(torch.tensor([-1.0, 1, 1, 1]).double())
    views = [z.unflatten(0, (3, -1)) for z in (z1, z2)]
    each = losses.OrientationLoss(num_chunks=3, reduction="none")(z1, z2)
    torch.testing.assert_close(each, functional.orientation_gap(*views))
    assert (each > 0).any()


def test_gamma_f_is_its_function():
    z1, z2 = clouds(2, torch.float64)
    metric = metrics.RelativeEquivariance(bounded=False)
    metric.update(z1, z2)
    torch.testing.assert_close(metric.compute(), functional.relative_equivariance_care(z1, z2))


PAIRS = {twins.cls: twins.function for twins in METRICS + LOSSES} | {
    metrics.KNNAccuracy: functional.knn_accuracy,
    losses.OrientationLoss: functional.orientation_gap,
}


def test_no_class_is_without_its_function():
    public = {
        name
        for module in (metrics, losses)
        for name in module.__all__
        if inspect.isclass(getattr(module, name))
        and issubclass(getattr(module, name), torch.nn.Module)
    }
    assert public - WITHOUT_TWIN == {cls.__name__ for cls in PAIRS}


@pytest.mark.parametrize("cls", PAIRS, ids=lambda cls: cls.__name__)
def test_they_take_the_same_arguments(cls):
    """What both take comes in one order, is given in one way, and is the same where left out."""
    ours, theirs = (
        {name: p for name, p in inspect.signature(f).parameters.items() if name != "kwargs"}
        for f in (cls, PAIRS[cls])
    )
    shared = [name for name in ours if name in theirs]
    # The order of what is given by name alone says nothing.
    positional = [name for name in shared if ours[name].kind is not inspect.Parameter.KEYWORD_ONLY]
    assert positional == [name for name in theirs if name in positional]
    for name in shared:
        assert (name, ours[name].default, ours[name].kind) == (
            name,
            theirs[name].default,
            theirs[name].kind,
        )
    # What only the function takes is what it is called with, or how a loss of a step is computed.
    only = set(theirs) - set(ours)
    data = set(inspect.signature(_call_of(cls)).parameters) | {"test_features", "test_labels"}
    data |= {"z", "z1", "z2"}  # of losses, as a metric takes source and target
    assert only <= data | {"gather_distributed", "backend"}


def _call_of(cls):
    return cls.forward if cls.__module__.startswith("equiform.losses") else cls.update
