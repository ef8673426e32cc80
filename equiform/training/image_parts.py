"""The parts of a run on images, built as its settings say."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from equiform.augment import Compose, simclr_augmentation
from equiform.losses import InfoNCELoss, InvarianceLoss, MomentumContrastLoss, UniformityLoss
from equiform.manifolds import Hyperboloid, Sphere
from equiform.nn import BasicBlock, Bottleneck, ResNet
from equiform.ops.distributed import world_size
from equiform.training import schedules
from equiform.training.image_encoder import ImageEncoder
from equiform.training.image_objective import (
    Equivariance,
    ImageObjective,
    MomentumObjective,
    SumOfLosses,
)
from equiform.training.image_settings import Settings


def build_encoder(settings: Settings) -> ImageEncoder:
    """An encoder as the settings say, initialised by torch's generator."""
    manifold = Hyperboloid() if settings.manifold == "hyperboloid" else Sphere()
    backbone = ResNet(
        Bottleneck if settings.bottleneck else BasicBlock,
        settings.blocks,
        width=settings.width,
        cifar_stem=settings.cifar_stem,
    )
    memory_format = torch.channels_last if settings.channels_last else torch.contiguous_format
    return ImageEncoder(backbone, settings.head, manifold=manifold, memory_format=memory_format)


def build_augmentation(settings: Settings) -> Compose:
    """The augmentation of SimCLR at the size of the settings."""
    return simclr_augmentation(
        settings.image_size, scale=(settings.crop, 1.0), kernel_size=settings.blur
    )


def build_objective(
    settings: Settings,
    encoder: ImageEncoder,
    *,
    generator: torch.Generator | None = None,
    network: Callable[[Tensor], Tensor] | None = None,
) -> ImageObjective:
    """The objective that the settings name; see :class:`ImageObjective` for the arguments."""
    shared: dict[str, Any] = {
        "generator": generator,
        "network": network,
        "autocast": torch.bfloat16 if settings.precision == "bfloat16" else None,
    }
    if "equi" in settings.terms:
        shared["equivariance"] = Equivariance(
            settings.weight, settings.num_chunks, settings.normalization, settings.one_pair
        )
    augmentation, manifold = build_augmentation(settings), encoder.manifold
    if "moco" in settings.terms:
        return MomentumObjective(
            encoder,
            augmentation,
            contrastive=MomentumContrastLoss(settings.temperature, manifold=manifold),
            momentum=settings.moco_momentum,
            queue_size=settings.queue_size,
            **shared,
        )
    over_all: dict[str, Any] = {"manifold": manifold, "gather_distributed": world_size() > 1}
    losses: dict[str, nn.Module] = {
        "simclr": InfoNCELoss(settings.temperature, **over_all),
        "inv": InvarianceLoss(),
        "unif": UniformityLoss(**over_all),
    }
    chosen = [loss for term, loss in losses.items() if term in settings.terms]
    contrastive = SumOfLosses(chosen) if chosen else None
    return ImageObjective(encoder, augmentation, contrastive=contrastive, **shared)


def build_optimizer(
    settings: Settings, module: nn.Module, steps_per_epoch: int
) -> tuple[torch.optim.Optimizer, LambdaLR]:
    """The optimizer of the settings, and the schedule of its learning rate."""
    parameters = [p for p in module.parameters() if p.requires_grad]
    common: dict[str, Any] = {"lr": settings.learning_rate, "weight_decay": settings.weight_decay}
    optimizer = {
        "adam": lambda: torch.optim.Adam(parameters, **common),
        "adamw": lambda: torch.optim.AdamW(parameters, **common),
        "sgd": lambda: torch.optim.SGD(parameters, momentum=0.9, **common),
    }[settings.optimizer]()
    steps = settings.epochs * steps_per_epoch
    factor = {
        "constant": lambda: schedules.multistep([]),
        "cosine": lambda: schedules.cosine(steps, warmup=settings.warmup_epochs * steps_per_epoch),
        "multistep": lambda: schedules.multistep([steps * 6 // 10, steps * 8 // 10]),
    }[settings.schedule]()
    return optimizer, LambdaLR(optimizer, factor)


def probe_options(settings: Settings) -> dict[str, Any]:
    """Arguments of :func:`equiform.training.linear_probe`."""
    sgd = settings.probe_optimizer == "sgd"
    return {
        "epochs": settings.probe_epochs,
        "batch_size": settings.probe_batch_size,
        "lr": settings.probe_learning_rate,
        "weight_decay": 0.0 if sgd else 1e-6,
        "optimizer": partial(torch.optim.SGD, momentum=0.9) if sgd else torch.optim.Adam,
        "milestones": settings.probe_milestones,
    }
