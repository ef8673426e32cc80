"""Every public class that is made of options: a maker of each."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch

import equiform
from equiform import augment, experimental, groups, losses, metrics, nn
from tests.cases import FORMS, GROUPS, JOINTS


def _gallery() -> dict[str, Any]:
    return {"features": torch.eye(4), "labels": torch.arange(4)}


#: By the name of the class, and what tells two of one class apart.
OBJECTS: dict[str, Callable[[], Any]] = {
    **{
        f"{type(case.form).__name__} {case.id}": lambda case=case: case.form
        for case in [*FORMS, *JOINTS]
    },
    **{f"{type(case.group).__name__} {case.id}": lambda case=case: case.group for case in GROUPS},
    "Sphere": equiform.Sphere,
    "Hyperboloid": partial(equiform.Hyperboloid, 2.0, learnable=True),
    **{
        name: getattr(losses, name)
        for name in (
            "CARELoss",
            "InfoNCELoss",
            "InvarianceLoss",
            "MomentumContrastLoss",
            "OrientationLoss",
            "PairwiseEquivarianceLoss",
            "UniformityLoss",
        )
    },
    "PairOrbitLoss": lambda: experimental.PairOrbitLoss(experimental.FiniteGroup.signs(2)),
    "FiniteGroup": lambda: experimental.FiniteGroup.signs(2),
    **{
        name: getattr(metrics, name)
        for name in (
            "CompositionDefect",
            "CosineSpread",
            "EffectiveRank",
            "RelativeEquivariance",
            "Uniformity",
            "WahbaError",
        )
    },
    "KNNAccuracy": lambda: metrics.KNNAccuracy(**_gallery(), k=1),
    "equivariance_metrics": lambda: metrics.equivariance_metrics(4),
    "LearnedIsometry": lambda: equiform.LearnedIsometry(groups.SpecialOrthogonal(3), 1),
    "StreamingIsometry": lambda: equiform.StreamingIsometry(groups.SpecialOrthogonal(3)),
    "BasicBlock": lambda: nn.BasicBlock(4, 4),
    "Bottleneck": lambda: nn.Bottleneck(16, 4),
    "DeepSets": lambda: nn.DeepSets(3, 4, 2),
    "EmbeddingQueue": lambda: nn.EmbeddingQueue(4, 8),
    "MomentumEncoder": lambda: nn.MomentumEncoder(torch.nn.Linear(2, 2)),
    "ProjectionHead": lambda: nn.ProjectionHead(4, 8, 2),
    "ResNet": lambda: nn.ResNet(nn.BasicBlock, (1, 1, 1, 1), width=4, cifar_stem=True),
    "resnet18": lambda: nn.resnet18(width=4, cifar_stem=True),
    "resnet50": lambda: nn.resnet50(width=4, cifar_stem=True),
    "Whitening": lambda: nn.Whitening(4),
    "ColorJitter": lambda: augment.ColorJitter(0.4, 0.4, 0.4, 0.1),
    "Compose": lambda: augment.Compose(augment.HorizontalFlip()),
    "GaussianBlur": augment.GaussianBlur,
    "HorizontalFlip": augment.HorizontalFlip,
    "RandomGrayscale": augment.RandomGrayscale,
    "RandomResizedCrop": lambda: augment.RandomResizedCrop(8),
    "Solarize": augment.Solarize,
    "simclr_augmentation": augment.simclr_augmentation,
}
