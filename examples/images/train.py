"""A run of contrastive learning on images: built of its settings, trained, read back."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from equiform.functional import relative_equivariance, relative_equivariance_care
from equiform.ops.distributed import world_size
from equiform.training import (
    History,
    TensorBoardLog,
    fit,
    load_checkpoint,
    rank,
    save_checkpoint,
    write_csv,
)
from images.data import ImageBatches, ImageSplits
from images.encoder import ImageEncoder, is_euclidean
from images.evaluation import equivariance_scores, knn_score, probe_score
from images.moved import draw_transformations, embed_moved
from images.parts import (
    build_augmentation,
    build_encoder,
    build_objective,
    build_optimizer,
    probe_options,
)
from images.settings import Settings

_COMPARED = 20  # transformations that runs are compared on
_WATCHED = 512, 4  # validation images and transformations that γ is watched on


def train_images(
    settings: Settings,
    splits: ImageSplits,
    folder: str | os.PathLike[str],
    *,
    seed: int = 0,
    device: torch.device | str = "cpu",
    resume: bool = False,
    tensorboard: bool = False,
    data: str = "",
) -> tuple[ImageEncoder, History]:
    """Train an encoder, or go on with the one in the folder.

    The folder then holds ``checkpoint.pt``, ``encoder.pt`` for :func:`load_run`, ``log.csv``, and
    ``tensorboard`` where it is asked for. kNN and γ are watched on the validation images; the test
    images are not looked at.

    Args:
        settings: of the run.
        splits: images.
        folder: for the files.
        seed: of initial weights, order and transformations.
        device: of this process.
        resume: go on from the folder's checkpoint where there is one.
        tensorboard: log for it as well.
        data: name of the data, compared on resumption.

    Raises:
        CheckpointError: the checkpoint is damaged, or of another configuration.
        FloatingPointError: the loss is not finite.
    """
    folder = Path(folder)
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    encoder = build_encoder(settings)
    mean, std = splits.unlabelled.mean_std()
    encoder.mean.copy_(mean.view_as(encoder.mean))
    encoder.std.copy_(std.view_as(encoder.std))
    encoder.to(device)
    if settings.sync_batch_norm and world_size() > 1:
        nn.SyncBatchNorm.convert_sync_batchnorm(encoder)  # in place
    network: nn.Module = DistributedDataParallel(encoder) if world_size() > 1 else encoder
    run = torch.compile(network) if settings.compile else network
    objective = build_objective(settings, encoder, generator=generator, network=run)
    objective.module.to(device)
    images = splits.unlabelled.images.to(device)
    batches = ImageBatches(images, settings.batch_size, generator)
    steps_per_epoch = -(-len(batches) // settings.accumulate)
    optimizer, scheduler = build_optimizer(settings, objective.module, steps_per_epoch)
    logs = [lambda rows: write_csv(folder / "log.csv", rows)]
    if tensorboard:
        logs.append(TensorBoardLog(folder / "tensorboard"))
    configuration = settings.plain() | {"seed": seed, "images": len(images), "data": data}
    history = fit(
        objective.module,
        objective,
        batches,
        optimizer,
        epochs=settings.epochs,
        scheduler=scheduler,
        accumulate=settings.accumulate,
        after_step=objective.after_step,
        measure=_watch(settings, encoder, splits, device),
        logs=logs,
        generators=[generator],
        checkpoint=folder / "checkpoint.pt",
        resume=resume,
        configuration=configuration,
        description=settings.method,
        unit="image",
        unit_size=settings.batch_size,
    )
    if rank() == 0:
        state = {"settings": settings.plain(), "seed": seed, "encoder": encoder.state_dict()}
        save_checkpoint(folder / "encoder.pt", state)
    return encoder, history


def evaluate_images(
    encoder: ImageEncoder, settings: Settings, splits: ImageSplits, *, test: bool = True
) -> dict[str, Any]:
    """Linear probe, kNN and equivariance of a frozen encoder, on images it has not seen.

    The transformations are the same 20 for every run.

    Args:
        encoder: in eval mode.
        settings: of the run.
        splits: images.
        test: on the test images; else on the validation images, to choose settings by.

    Returns:
        The scores of ``probe_score`` and ``equivariance_scores`` by name.
    """
    device = encoder.mean.device
    held_out = splits.test if test else splits.validation
    if held_out is None:
        raise ValueError("test=False needs validation images; set Settings.validation above 0")
    train, held_out = splits.train.to(device), held_out.to(device)
    images = held_out.images[: settings.measured_images or None]
    augmentation = build_augmentation(settings)
    parameters = draw_transformations(augmentation, _COMPARED)
    moved = embed_moved(encoder, images, augmentation, parameters)
    probe = probe_score(encoder, train, held_out, **probe_options(settings))
    return probe | equivariance_scores(moved, encoder.manifold)


def load_run(folder: str | os.PathLike[str]) -> tuple[ImageEncoder, Settings]:
    """The trained encoder of a run's folder, on the CPU and in eval mode, and its settings.

    Raises:
        CheckpointError: the file is damaged.
        FileNotFoundError: there is none; the run has not ended.
    """
    state = load_checkpoint(Path(folder) / "encoder.pt")
    settings = Settings.of_plain(state["settings"])
    encoder = build_encoder(settings)
    encoder.load_state_dict(state["encoder"])
    return encoder.eval(), settings


def _watch(
    settings: Settings, encoder: ImageEncoder, splits: ImageSplits, device: torch.device | str
) -> Callable[[int], dict[str, float]] | None:
    """What is measured on validation images after an epoch: kNN, γ_f and γ_b."""
    if splits.validation is None:
        return None
    gallery, queries = splits.train.to(device), splits.validation.to(device)
    augmentation = build_augmentation(settings)
    num_images, num_transformations = _WATCHED
    images = queries.images[:num_images]
    parameters = draw_transformations(augmentation, num_transformations, seed=0)
    gamma_b = partial(relative_equivariance, manifold=encoder.manifold)
    measures: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"gamma_b": gamma_b}
    if is_euclidean(encoder.manifold):
        measures["gamma_f"] = relative_equivariance_care

    def measure(epoch: int) -> dict[str, float]:
        if epoch % settings.measure_every and epoch != settings.epochs:
            return {}
        scores = {"knn": knn_score(encoder, gallery, queries)}
        source, targets = embed_moved(encoder, images, augmentation, parameters)
        for name, gamma in measures.items():
            each = torch.stack([gamma(source, target) for target in targets])
            scores[name] = each.mean().item()
        return scores

    return measure
