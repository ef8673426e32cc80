"""The augmentation of SimCLR, for small images."""

from __future__ import annotations

from collections.abc import Sequence

from equiform.augment.blur import GaussianBlur
from equiform.augment.color import ColorJitter, RandomGrayscale
from equiform.augment.crop import HorizontalFlip, RandomResizedCrop
from equiform.augment.images import Compose


def simclr_augmentation(
    size: int | Sequence[int] = 32,
    *,
    scale: Sequence[float] = (0.2, 1.0),
    kernel_size: int = 3,
) -> Compose:
    """Crop, flip, colour jitter, greyscale and blur, as CARE trains on CIFAR.

    Flip with p = 0.5, jitter (0.4, 0.4, 0.4, 0.1) with p = 0.8, grey with p = 0.2, blur with σ in
    (0.1, 2) and p = 0.5.

    Args:
        size: of the result, an integer or (height, width).
        scale: bounds of the area of the crop; SimCLR on ImageNet takes (0.08, 1).
        kernel_size: of the blur, odd, about a tenth of `size`.

    Source: Chen et al., "A Simple Framework for Contrastive Learning of Visual Representations",
    ICML 2020, appendix A; Gupta et al., ICLR 2024, appendix.
    """
    return Compose(
        RandomResizedCrop(size, scale=scale),
        HorizontalFlip(),
        ColorJitter(0.4, 0.4, 0.4, 0.1, p=0.8),
        RandomGrayscale(0.2),
        GaussianBlur(kernel_size),
    )
