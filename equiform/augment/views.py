"""Who shares a transformation with whom: chunks of a batch, a whole data set, CARE's views."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor

from equiform._options import check_count
from equiform.augment.images import (
    ImageAugmentation,
    P,
    check_augmentation,
    check_images,
)


def augment_chunks(
    augmentation: ImageAugmentation[P],
    images: Tensor,
    num_chunks: int,
    *,
    generator: torch.Generator | None = None,
    rank: int = 0,
    world_size: int = 1,
) -> tuple[Tensor, P]:
    """Augment a batch with one transformation for each chunk of consecutive images.

    The images of a chunk share one, equal up to rounding: last digits may depend on the place in
    the batch. With ``num_chunks=1`` the whole batch shares one, which is what the released code of
    CARE does whatever its number of splits; Algorithm 1 of the paper draws for each chunk.

    A batch may lie in equal shares on several processes. Then each draws the transformations of
    all, from generators in one state, and applies those of its share: together the views are those
    of one process on the whole batch.

    Args:
        augmentation: what to draw from.
        images: ``(n, 3, H, W)``, uint8, or floating with values in [0, 1]; not written to.
        num_chunks: how many chunks; must divide the images of all shares.
        generator: source of randomness, on any device; torch's default one on the CPU if None.
        rank, world_size: which share of the batch the images are, and of how many.

    Returns:
        The augmented images, and the parameters of each chunk of the whole batch, which ``apply``
        replays on other images after ``.repeat``, and of which `fixed` takes one.
    """
    check_augmentation("augmentation", augmentation)
    check_images(images)
    num_chunks = check_count("num_chunks", num_chunks)
    world_size, rank = check_count("world_size", world_size), check_count("rank", rank, least=0)
    if rank >= world_size:
        raise ValueError(f"rank must be below world_size, got {rank} of world_size={world_size}")
    n, whole = len(images), len(images) * world_size
    if n < 1 or whole % num_chunks:
        raise ValueError(
            f"a batch of {whole} images does not divide into num_chunks={num_chunks}; choose a "
            f"divisor, and drop_last=True in the loader"
        )
    parameters = augmentation.sample(num_chunks, generator=generator, device=images.device)
    own = parameters.repeat(whole // num_chunks)[rank * n : (rank + 1) * n]
    return augmentation.apply(images, own), parameters


def two_views(
    augmentation: ImageAugmentation[Any],
    images: Tensor,
    num_chunks: int | None = None,
    *,
    generator: torch.Generator | None = None,
    rank: int = 0,
    world_size: int = 1,
) -> tuple[Tensor, Tensor]:
    """Draw two independent views of a batch, by a transformation for each image or each chunk.

    Arguments are those of `augment_chunks`; each image is a chunk of its own unless `num_chunks` is
    given, as in SimCLR.
    """
    check_images(images)
    check_count("world_size", world_size)
    chunks = max(1, len(images)) * world_size if num_chunks is None else num_chunks
    share: dict[str, Any] = {"generator": generator, "rank": rank, "world_size": world_size}
    first, second = (augment_chunks(augmentation, images, chunks, **share)[0] for _ in range(2))
    return first, second


def fixed(augmentation: ImageAugmentation[P], parameters: P) -> Callable[[Tensor], Tensor]:
    """One transformation as a function of a batch, for ``equiform.report`` and the metrics.

    Its parameters are those of one, as ``augmentation.sample(1)`` or ``parameters[i]``; the images
    ``(n, 3, H, W)`` may be on any device.
    """
    check_augmentation("augmentation", augmentation)
    augmentation.check_parameters(parameters)
    if (n := len(parameters)) != 1:
        raise ValueError(
            f"fixed needs parameters of one transformation, got {n}; use parameters[i]"
        )
    return partial(_apply_fixed, augmentation, parameters)  # unlike a closure, this pickles


def _apply_fixed(augmentation: ImageAugmentation[P], parameters: P, images: Tensor) -> Tensor:
    return augmentation.apply(images, parameters.to(images.device))


class CAREViews(NamedTuple):
    """Four views of a batch, in the order of ``CARELoss``: ``loss(*map(encoder, views))``.

    For the contrastive term each image has a transformation of its own, for the equivariance term
    each chunk.
    """

    x1_inv: Tensor
    x2_inv: Tensor
    x1_equi: Tensor
    x2_equi: Tensor


def care_views(
    augmentation: ImageAugmentation[Any],
    images: Tensor,
    num_chunks: int,
    *,
    generator: torch.Generator | None = None,
    rank: int = 0,
    world_size: int = 1,
) -> CAREViews:
    """Draw the views of Algorithm 1 of CARE (Gupta et al., ICLR 2024).

    Arguments are those of `augment_chunks`; ``num_chunks=1`` is the released code. In a distributed
    run give each rank its own seed; or one seed and its `rank` and `world_size`, for the views of
    one process on the whole batch.
    """
    check_count("num_chunks", num_chunks)  # which two_views may lack
    share: dict[str, Any] = {"generator": generator, "rank": rank, "world_size": world_size}
    equivariant = two_views(augmentation, images, num_chunks, **share)
    return CAREViews(*two_views(augmentation, images, **share), *equivariant)
