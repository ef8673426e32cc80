"""Losses, metrics, steering, networks, augmentations and probes: each object made anew a call."""

import copy
from collections.abc import Callable
from typing import Any

import torch

from equiform import (
    CARELoss,
    InfoNCELoss,
    InvarianceLoss,
    LearnedIsometry,
    MinkowskiForm,
    MomentumContrastLoss,
    OrientationLoss,
    PairwiseEquivarianceLoss,
    SpecialOrthogonal,
    StreamingIsometry,
    UniformityLoss,
    augment,
    metrics,
    nn,
    probes,
)
from equiform.experimental import FiniteGroup, PairOrbitLoss
from tests.contract.call import Call, clouds, numbers
from tests.contract.table.manifolds import unit
from tests.contract.table.measures import BEFORE_AND_AFTER, ON_SPHERE, TWO

SIGNS = FiniteGroup.signs(4)


def _loss(name: str, make: Callable[[], Any], **options: Any) -> Call:
    return Call(name=name, function=lambda **inputs: make()(**inputs), **options)


LOSSES = [
    _loss("PairwiseEquivarianceLoss", PairwiseEquivarianceLoss, rtol=2e-3, **TWO),
    _loss(
        "PairwiseEquivarianceLoss",
        lambda: PairwiseEquivarianceLoss(MinkowskiForm(), normalization="relative"),
        variant="minkowski",
        rtol=2e-3,
        **TWO,
    ),
    _loss("InfoNCELoss", InfoNCELoss, least=2, **ON_SPHERE),
    _loss("UniformityLoss", UniformityLoss, least=2, **ON_SPHERE),
    _loss("InvarianceLoss", InvarianceLoss, **TWO),
    _loss("OrientationLoss", OrientationLoss, **TWO),
    _loss("MomentumContrastLoss", MomentumContrastLoss, inputs=clouds("query", "key", "queue")),
    _loss("PairOrbitLoss", lambda: PairOrbitLoss(SIGNS), **TWO),
    _loss(
        "CARELoss",
        CARELoss,
        inputs=clouds("z1_inv", "z2_inv", "z1_equi", "z2_equi"),
        onto=dict.fromkeys(("z1_inv", "z2_inv", "z1_equi", "z2_equi"), unit),
        least=2,
        rtol=2e-3,
    ),
]


def _metric(name: str, make: Callable[[], Any], **options: Any) -> Call:
    def measured(**inputs: Any) -> Any:
        metric = make()
        metric.update(**inputs)
        return metric.compute()

    return Call(
        name=name,
        function=measured,
        **({"smooth": False, "rtol": 1e-3} | BEFORE_AND_AFTER | options),
    )


METRICS = [
    _metric("WahbaError", metrics.WahbaError, least=2),
    _metric("RelativeEquivariance", metrics.RelativeEquivariance),
    _metric("CosineSpread", metrics.CosineSpread, least=2),
    _metric("EffectiveRank", metrics.EffectiveRank),
    _metric("Uniformity", metrics.Uniformity, least=2, onto={"source": unit, "target": unit}),
    _metric(
        "CompositionDefect",
        metrics.CompositionDefect,
        inputs=clouds("source", "first", "second", "both"),
        least=2,
    ),
    Call(
        name="KNNAccuracy",
        function=lambda features, labels, queries: _knn(features, labels, queries),
        inputs=lambda n, d: {
            "features": numbers(n, d),
            "labels": torch.arange(n) % 2,
            "queries": numbers(n, d, seed=1),
        },
        smooth=False,
    ),
    Call(
        name="equivariance_metrics",
        function=lambda source, target: _panel(source, target),
        smooth=False,
        least=2,
        rtol=1e-3,
        **BEFORE_AND_AFTER,
    ),
]


def _knn(features, labels, queries):
    metric = metrics.KNNAccuracy(features, labels, k=1)
    metric.update(features=queries, labels=labels)
    return metric.compute()


def _panel(source, target):
    panel = metrics.equivariance_metrics(4)
    panel.update(source, target)
    return panel.compute()


def _streamed(source, target):
    streaming = StreamingIsometry(SpecialOrthogonal(4))
    streaming.update("a", source, target)
    return streaming.recover("a")


def _module(make: Callable[[], torch.nn.Module]) -> Callable[..., Any]:
    """One module for each precision, whose state is the same in every call."""
    torch.manual_seed(0)
    single = make()
    double = copy.deepcopy(single).double()
    states = {module: copy.deepcopy(module.state_dict()) for module in (single, double)}

    def call(**inputs: Any) -> Any:
        given = [x for x in inputs.values() if torch.is_tensor(x)]
        module = double if given and given[0].dtype == torch.float64 else single
        if module.training and any(True for _ in module.buffers()):
            module.load_state_dict(states[module])
        return module(**inputs)

    return call


def _queued(embeddings):
    queue = nn.EmbeddingQueue(4, 8)
    double = torch.is_tensor(embeddings) and embeddings.dtype == torch.float64
    queue = queue.double() if double else queue.float()
    queue.enqueue(embeddings)
    return queue.embeddings()


def _probe(features, test_features, labels):
    torch.manual_seed(0)
    return probes.linear_probe(features, labels, test_features, labels, epochs=1)


def images(n: int, d: int) -> dict[str, Any]:
    return {"images": numbers(n, 3, 8, 8).sigmoid()}


def _augmented(augmentation: augment.ImageAugmentation[Any]) -> Callable[..., Any]:
    def call(images):
        parameters = augmentation.sample(
            len(images) if torch.is_tensor(images) and images.ndim else 6,
            generator=torch.Generator().manual_seed(0),
        )
        return augmentation.apply(images, parameters)

    return call


AUGMENTATIONS = [
    augment.ColorJitter(0.4, 0.4, 0.4, 0.1),
    augment.GaussianBlur(p=1.0),
    augment.HorizontalFlip(p=1.0),
    augment.RandomGrayscale(p=1.0),
    augment.RandomResizedCrop(8),
    augment.Solarize(p=1.0),
    augment.Compose(augment.HorizontalFlip(p=1.0), augment.RandomGrayscale(p=1.0)),
    augment.simclr_augmentation(8),
]
NETWORKS = [
    Call(
        name="ProjectionHead",
        network=True,
        function=_module(lambda: nn.ProjectionHead(4, 8, 2).eval()),
        inputs=clouds("x"),
        least=2,
        rtol=1e-2,
    ),
    Call(
        name="DeepSets",
        network=True,
        transforms=False,
        function=_module(lambda: nn.DeepSets(3, 8, 2)),
        inputs=clouds("pos"),
        dim=3,
        rtol=1e-2,
    ),
    Call(
        name="Whitening",
        keeps_dtype=True,
        function=_module(lambda: nn.Whitening(4)),
        transforms=False,
        inputs=clouds("z"),
        least=2,
        rtol=1e-2,
    ),
    Call(
        name="ResNet",
        network=True,
        function=_module(
            lambda: nn.ResNet(nn.BasicBlock, (1, 1, 1, 1), width=4, cifar_stem=True).eval()
        ),
        inputs=lambda n, d: {"x": numbers(n, 3, 8, 8)},
        rtol=1e-2,
        whole=True,
    ),
    Call(name="EmbeddingQueue", function=_queued, inputs=clouds("embeddings"), smooth=False),
]
IMAGES = [
    Call(
        name=type(step).__name__ if step is not AUGMENTATIONS[-1] else "simclr_augmentation",
        function=_augmented(step),
        inputs=images,
        smooth=False,
        rtol=2e-3,
    )
    for step in AUGMENTATIONS
]
IMAGES += [
    Call(
        name=name,
        function=function,
        inputs=images,
        smooth=False,
        rtol=2e-3,
    )
    for name, function in {
        "augment_chunks": lambda images: augment.augment_chunks(
            AUGMENTATIONS[2], images, 1, generator=torch.Generator().manual_seed(0)
        )[0],
        "two_views": lambda images: augment.two_views(
            AUGMENTATIONS[2], images, generator=torch.Generator().manual_seed(0)
        ),
        "care_views": lambda images: augment.care_views(
            AUGMENTATIONS[2], images, 1, generator=torch.Generator().manual_seed(0)
        ),
        "normalize": lambda images: augment.normalize(images, (0.5,) * 3, (0.2,) * 3),
        "unit_interval": augment.unit_interval,
    }.items()
]
STEERING = [
    Call(
        name="LearnedIsometry",
        function=_module(lambda: LearnedIsometry(SpecialOrthogonal(3), 2)),
        inputs=clouds("theta"),
        dim=2,
        rtol=1e-3,
    ),
    Call(name="StreamingIsometry", function=_streamed, smooth=False, rtol=1e-3, **BEFORE_AND_AFTER),
]
PROBES = [
    Call(
        name="fit_ridge",
        transforms=False,
        function=probes.fit_ridge,
        taken={"z": ("another d",), "targets": ("another d",)},
        inputs=lambda n, d: {"z": numbers(n, d), "targets": numbers(n, 2, seed=1)},
        rtol=1e-2,
    ),
    Call(
        name="linear_probe",
        network=True,
        rtol=1e-2,
        function=lambda **inputs: _probe(**inputs),
        inputs=lambda n, d: {
            "features": numbers(n, d),
            "test_features": numbers(n, d, seed=1),
            "labels": torch.arange(n) % 2,
        },
        smooth=False,
        whole=True,
    ),
]
