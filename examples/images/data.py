"""The images of a run: what is trained on, what is chosen on, and what is tested on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from equiform.data import (
    ImageSet,
    load_cifar10,
    load_cifar100,
    load_flowers102,
    load_image_folder,
    load_stl10,
    synthetic_shapes,
)
from equiform.ops.distributed import world_size
from equiform.training import rank

DATASETS = ("synthetic", "cifar10", "cifar100", "stl10", "folder", "flowers")
NUM_SYNTHETIC = 2048, 1024  # to train on, to test on


class ImageSplits(NamedTuple):
    """The parts of a data set.

    Attributes:
        unlabelled: to train the encoder on; its labels are not used.
        train: labelled, for probes and the gallery of kNN.
        validation: held out of the training images, to watch the training on; None if none is.
        test: read once, when all is chosen.
    """

    unlabelled: ImageSet
    train: ImageSet
    validation: ImageSet | None
    test: ImageSet


def load_images(
    dataset: str,
    root: str | os.PathLike[str] | None = None,
    *,
    size: int,
    validation: float = 0.1,
    limit: int | None = None,
    cache: str | os.PathLike[str] | None = None,
) -> ImageSplits:
    """Read a data set and split it.

    The split and the selection of `limit` do not depend on the seed of a run, so that no run tests
    its settings on images that another one was trained on.

    Args:
        dataset: ``synthetic``, ``cifar10``, ``cifar100``, ``stl10``, ``flowers``, or ``folder``:
            ``root/train`` and ``root/val`` (or ``root/test``) with a folder a class.
        root: where it is; not needed for ``synthetic``.
        size: side of the images in pixels.
        validation: share of the labelled training images to hold out; 0 for none.
        limit: how many training images to take, at random; all unless given.
        cache: of :func:`equiform.data.load_image_folder`.

    Raises:
        FileNotFoundError: there is no such data.
        ImageFormatError: it is damaged.
        ValueError: the data set has no such name, or needs `root`, or `limit` is under 1.
    """
    if limit is not None and limit < 1:
        raise ValueError(f"limit must be at least 1, got {limit}")
    train, test, unlabelled = _read(dataset, root, size=size, cache=cache)
    if limit is not None and limit < len(train):
        order = torch.randperm(len(train), generator=torch.Generator().manual_seed(0))
        train = train.subset(order[:limit].sort().values)
    held_out = None
    if validation:
        train, held_out = train.split(validation, seed=0)
    if unlabelled is not None and limit is not None:
        unlabelled = unlabelled.subset(range(min(limit, len(unlabelled))))
    return ImageSplits(train if unlabelled is None else unlabelled, train, held_out, test)


def _read(
    dataset: str,
    root: str | os.PathLike[str] | None,
    *,
    size: int,
    cache: str | os.PathLike[str] | None,
) -> tuple[ImageSet, ImageSet, ImageSet | None]:
    """Training images, test images, and others without labels."""
    if dataset == "synthetic":
        train, test = NUM_SYNTHETIC
        whole = synthetic_shapes(train + test, size=size, seed=0)
        return whole.subset(range(train)), whole.subset(range(train, train + test)), None
    if dataset not in DATASETS:
        raise ValueError(f"dataset must be one of {', '.join(DATASETS)}, got {dataset!r}")
    if root is None:
        raise ValueError(f"dataset={dataset!r} needs root, the folder that it is in")
    if dataset in ("cifar10", "cifar100"):
        load = load_cifar10 if dataset == "cifar10" else load_cifar100
        train, test = (load(root, train=train).resize(size) for train in (True, False))
        return train, test, None
    if dataset == "stl10":
        train, test, unlabelled = (
            load_stl10(root, split=split, size=size) for split in ("train", "test", "unlabeled")
        )
        return train, test, unlabelled
    if dataset == "flowers":
        train, test = (load_flowers102(root, split=split, size=size) for split in ("train", "test"))
        return train, test, None
    train = load_image_folder(Path(root) / "train", size=size, cache=cache)
    held_out = next((name for name in ("val", "test") if (Path(root) / name).is_dir()), "val")
    test = load_image_folder(Path(root) / held_out, size=size, classes=train.classes, cache=cache)
    return train, test, None


@dataclass
class ImageBatches:
    """The batches of an epoch, in a new order each time; each process gets its share of each.

    What is left over at the end is not used. The images stay where they are: no loader is needed.

    Args:
        images: ``(n, 3, h, w)`` uint8.
        batch_size: of the batch of all processes together.
        generator: source of the order, in one state on all processes.

    Raises:
        ValueError: the batch does not divide among the processes, or has more images than there
            are.
    """

    images: Tensor
    batch_size: int
    generator: torch.Generator

    def __post_init__(self) -> None:
        if not 1 <= self.batch_size <= len(self.images):
            raise ValueError(
                f"batch_size must be between 1 and the {len(self.images)} images, "
                f"got {self.batch_size}"
            )
        if self.batch_size % world_size():
            raise ValueError(
                f"batch_size={self.batch_size} does not divide among {world_size()} processes"
            )

    def __len__(self) -> int:
        return len(self.images) // self.batch_size

    def __iter__(self) -> Iterator[Tensor]:
        share = self.batch_size // world_size()
        order = torch.randperm(len(self.images), generator=self.generator)
        for whole in order[: len(self) * self.batch_size].split(self.batch_size):
            own = whole[rank() * share : (rank() + 1) * share]
            yield self.images[own.to(self.images.device)]
