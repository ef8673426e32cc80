"""The parts of a run on images, built as its settings say."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.optim.lr_scheduler import ConstantLR, LambdaLR, LRScheduler, MultiStepLR

from equiform import CARELoss, Hyperboloid, InfoNCELoss, PairwiseEquivarianceLoss, Sphere
from equiform.augment import Compose, care_views, simclr_augmentation, two_views
from equiform.losses import InvarianceLoss, MomentumContrastLoss, UniformityLoss
from equiform.manifolds import EmbeddingManifold
from equiform.nn import BasicBlock, Bottleneck, ResNet
from equiform.ops.distributed import world_size
from equiform.training import rank
from images.encoder import ImageEncoder, is_euclidean
from images.objective import (
    ImageObjective,
    MomentumObjective,
    Network,
    SumOfLosses,
    care_terms,
    one_term,
)
from images.settings import Settings


def build_encoder(settings: Settings) -> ImageEncoder:
    """An encoder as the settings say, initialised by torch's generator."""
    manifold = {"sphere": Sphere, "hyperboloid": Hyperboloid}[settings.manifold]()
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
    network: Network | None = None,
) -> ImageObjective:
    """The objective that the settings name.

    Under torchrun each process is given its share of the batch, all of one size, and draws from a
    generator in one state; a chunk lies on one process. Loss and gradients are then those of one
    process on the whole batch, but for batch norms that are not synchronised.

    Args:
        settings: of the run.
        encoder: to train.
        generator: source of transformations.
        network: of :class:`ImageObjective`.

    Raises:
        ValueError: chunks do not divide among the processes.
    """
    drawn: dict[str, Any] = {"generator": generator, "rank": rank(), "world_size": world_size()}
    augmentation = build_augmentation(settings)
    shared_by = 1 if settings.one_pair else settings.num_chunks
    manifold = encoder.manifold
    if "equi" not in settings.terms:
        views = partial(two_views, augmentation, **drawn)
        terms = one_term("contrastive", _contrastive(settings, manifold))
    elif set(settings.terms) == {"equi"}:
        views = partial(two_views, augmentation, num_chunks=shared_by, **drawn)
        terms = one_term("equivariance", _equivariance(settings, manifold), settings.weight)
    else:
        views = partial(care_views, augmentation, num_chunks=shared_by, **drawn)
        loss = CARELoss(
            _contrastive(settings, manifold), _equivariance(settings, manifold), settings.weight
        )
        terms = care_terms(loss)
    run: dict[str, Any] = {
        "network": network,
        "autocast": torch.bfloat16 if settings.precision == "bfloat16" else None,
    }
    if "moco" in settings.terms:
        run |= {"momentum": settings.moco_momentum, "queue_size": settings.queue_size}
        return MomentumObjective(encoder, views, terms, **run)
    return ImageObjective(encoder, views, terms, **run)


def _contrastive(settings: Settings, manifold: EmbeddingManifold) -> nn.Module:
    """Of two views whose transformations differ image by image."""
    if "moco" in settings.terms:
        return MomentumContrastLoss(settings.temperature, manifold=manifold)
    over_all: dict[str, Any] = {"manifold": manifold, "gather_distributed": world_size() > 1}
    losses: dict[str, nn.Module] = {
        "simclr": InfoNCELoss(settings.temperature, **over_all),
        "inv": InvarianceLoss(manifold=None if is_euclidean(manifold) else manifold),
        "unif": UniformityLoss(**over_all),
    }
    return SumOfLosses(loss for term, loss in losses.items() if term in settings.terms)


def _equivariance(settings: Settings, manifold: EmbeddingManifold) -> nn.Module:
    """Of two views whose transformations are shared by chunks."""
    own_chunks, rest = divmod(settings.num_chunks, world_size())
    if rest:
        raise ValueError(
            f"num_chunks={settings.num_chunks} does not divide among {world_size()} processes; "
            f"choose a multiple"
        )
    return PairwiseEquivarianceLoss(
        manifold=manifold, num_chunks=own_chunks, normalization=settings.normalization
    )


def build_optimizer(
    settings: Settings, module: nn.Module, steps_per_epoch: int
) -> tuple[torch.optim.Optimizer, LRScheduler]:
    """The optimizer of the settings, and the schedule of its learning rate, to step each step.

    Source: Loshchilov & Hutter, "SGDR", ICLR 2017, without restarts; the warm-up of Goyal et al.
    2017.
    """
    parameters = [p for p in module.parameters() if p.requires_grad]
    common: dict[str, Any] = {"lr": settings.learning_rate, "weight_decay": settings.weight_decay}
    optimizer = {
        "adam": lambda: torch.optim.Adam(parameters, **common),
        "adamw": lambda: torch.optim.AdamW(parameters, **common),
        "sgd": lambda: torch.optim.SGD(parameters, momentum=0.9, **common),
    }[settings.optimizer]()
    steps, warmup = (n * steps_per_epoch for n in (settings.epochs, settings.warmup_epochs))

    def cosine(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        return (1 + math.cos(math.pi * (step - warmup) / (steps - warmup))) / 2

    schedule = {
        "constant": lambda: ConstantLR(optimizer, factor=1),
        "cosine": lambda: LambdaLR(optimizer, cosine),
        "multistep": lambda: MultiStepLR(optimizer, [steps * 6 // 10, steps * 8 // 10]),
    }[settings.schedule]()
    return optimizer, schedule


def probe_options(settings: Settings) -> dict[str, Any]:
    """Arguments of :func:`equiform.probes.linear_probe`."""
    sgd = settings.probe_optimizer == "sgd"
    return {
        "epochs": settings.probe_epochs,
        "batch_size": settings.probe_batch_size,
        "lr": settings.probe_learning_rate,
        "weight_decay": 0.0 if sgd else 1e-6,
        "optimizer": partial(torch.optim.SGD, momentum=0.9) if sgd else torch.optim.Adam,
        "milestones": settings.probe_milestones,
    }
