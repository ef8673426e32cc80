"""Who shares a transformation with whom: chunks of a batch, a whole data set, CARE's views."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from equiform.augment.images import ImageAugmentation, P


def augment_chunks(
    augmentation: ImageAugmentation[P],
    images: Tensor,
    num_chunks: int,
    *,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, P]:
    """Augment a batch with one transformation for each chunk of consecutive images.

    The images of a chunk share one transformation, equal up to rounding: last digits may depend on
    the place in the batch. Those of different chunks are independent. With ``num_chunks=1`` the
    whole batch shares one, which is what the released code of CARE does whatever its number of
    splits; Algorithm 1 of the paper draws for each chunk. With as many chunks as images each has
    its own.

    Args:
        augmentation: what to draw from.
        images: ``(n, 3, H, W)``, uint8, or floating with values in [0, 1]; not written to.
        num_chunks: how many chunks; must divide n.
        generator: source of randomness, on any device; torch's default one on the CPU if None.

    Returns:
        The augmented images, and the parameters of each chunk, which ``apply`` replays on other
        images after ``.repeat``, and of which `fixed` takes one.

    Raises:
        ValueError: the batch does not divide into `num_chunks`.
    """
    n = len(images)
    if num_chunks < 1 or n < 1 or n % num_chunks:
        raise ValueError(
            f"a batch of {n} images does not divide into num_chunks={num_chunks}; choose a "
            f"divisor, and drop_last=True in the loader"
        )
    parameters = augmentation.sample(num_chunks, generator=generator, device=images.device)
    return augmentation.apply(images, parameters.repeat(n // num_chunks)), parameters


def fixed(augmentation: ImageAugmentation[P], parameters: P) -> Callable[[Tensor], Tensor]:
    """One transformation as a function of a batch, for ``equiform.report`` and the metrics.

    Args:
        augmentation: what the parameters belong to.
        parameters: of one transformation, as ``augmentation.sample(1)`` or ``parameters[i]``.

    Returns:
        A function from images ``(n, 3, H, W)``, on any device, to transformed images.

    Raises:
        ValueError: there is not exactly one transformation.
    """
    if len(parameters) != 1:
        raise ValueError(
            f"fixed needs the parameters of one transformation, got {len(parameters)}; use "
            f"parameters[i]"
        )
    return partial(_apply_fixed, augmentation, parameters)  # unlike a closure, this pickles


def _apply_fixed(augmentation: ImageAugmentation[P], parameters: P, images: Tensor) -> Tensor:
    return augmentation.apply(images, parameters.to(images.device))


class CAREViews(NamedTuple):
    """Four views of a batch, in the order of ``CARELoss``: ``loss(*map(encoder, views))``.

    Attributes:
        x1_inv: each image by a transformation of its own, for the contrastive term.
        x2_inv: likewise, independent.
        x1_equi: each chunk by a transformation of its own, for the equivariance term.
        x2_equi: likewise, independent.
    """

    x1_inv: Tensor
    x2_inv: Tensor
    x1_equi: Tensor
    x2_equi: Tensor


def care_views(
    augmentation: ImageAugmentation,
    images: Tensor,
    num_chunks: int,
    *,
    generator: torch.Generator | None = None,
) -> CAREViews:
    """Draw the views of Algorithm 1 of CARE (Gupta et al., ICLR 2024).

    A chunk shares one transformation, equal up to rounding, as in `augment_chunks`.

    Args:
        augmentation: what to draw from.
        images: ``(n, 3, H, W)``, uint8, or floating with values in [0, 1]; not written to.
        num_chunks: how many chunks share a transformation each; must divide n. 1 is the released
            code, one pair of transformations for the whole batch.
        generator: source of randomness; give each rank of a distributed run its own seed.

    Raises:
        ValueError: the batch does not divide into `num_chunks`.
    """
    x1_equi, _ = augment_chunks(augmentation, images, num_chunks, generator=generator)
    x2_equi, _ = augment_chunks(augmentation, images, num_chunks, generator=generator)
    return CAREViews(
        augmentation(images, generator=generator),
        augmentation(images, generator=generator),
        x1_equi,
        x2_equi,
    )
