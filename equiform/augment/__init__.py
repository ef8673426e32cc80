"""Transformations to learn equivariance to, shared by the samples of a chunk."""

from equiform.augment.blur import BlurParameters, GaussianBlur
from equiform.augment.color import (
    ColorJitter,
    GrayscaleParameters,
    JitterParameters,
    RandomGrayscale,
    Solarize,
    SolarizeParameters,
)
from equiform.augment.crop import (
    CropParameters,
    FlipParameters,
    HorizontalFlip,
    RandomResizedCrop,
)
from equiform.augment.images import (
    Compose,
    ComposedParameters,
    ImageAugmentation,
    ImageParameters,
    normalize,
    unit_interval,
)
from equiform.augment.rotations import (
    CloudBatch,
    random_rotations,
    reorient,
    rotate_chunks,
    tilt,
)
from equiform.augment.simclr import simclr_augmentation
from equiform.augment.views import CAREViews, augment_chunks, care_views, fixed

__all__ = [
    "BlurParameters",
    "CAREViews",
    "CloudBatch",
    "ColorJitter",
    "Compose",
    "ComposedParameters",
    "CropParameters",
    "FlipParameters",
    "GaussianBlur",
    "GrayscaleParameters",
    "HorizontalFlip",
    "ImageAugmentation",
    "ImageParameters",
    "JitterParameters",
    "RandomGrayscale",
    "RandomResizedCrop",
    "Solarize",
    "SolarizeParameters",
    "augment_chunks",
    "care_views",
    "fixed",
    "normalize",
    "random_rotations",
    "reorient",
    "rotate_chunks",
    "simclr_augmentation",
    "tilt",
    "unit_interval",
]
