"""Transformations to learn equivariance to, shared by the samples of a chunk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from equiform._extras import lazy_exports

if TYPE_CHECKING:
    from equiform.augment.blur import BlurParameters as BlurParameters
    from equiform.augment.blur import GaussianBlur as GaussianBlur
    from equiform.augment.color import ColorJitter as ColorJitter
    from equiform.augment.color import JitterParameters as JitterParameters
    from equiform.augment.color import RandomGrayscale as RandomGrayscale
    from equiform.augment.color import Solarize as Solarize
    from equiform.augment.color import SolarizeParameters as SolarizeParameters
    from equiform.augment.crop import CropParameters as CropParameters
    from equiform.augment.crop import HorizontalFlip as HorizontalFlip
    from equiform.augment.crop import RandomResizedCrop as RandomResizedCrop
    from equiform.augment.images import Compose as Compose
    from equiform.augment.images import ComposedParameters as ComposedParameters
    from equiform.augment.images import ImageAugmentation as ImageAugmentation
    from equiform.augment.images import ImageParameters as ImageParameters
    from equiform.augment.images import RandomSwitch as RandomSwitch
    from equiform.augment.images import SwitchParameters as SwitchParameters
    from equiform.augment.images import normalize as normalize
    from equiform.augment.images import unit_interval as unit_interval
    from equiform.augment.rotations import CloudBatch as CloudBatch
    from equiform.augment.rotations import random_rotations as random_rotations
    from equiform.augment.rotations import reorient as reorient
    from equiform.augment.rotations import rotate_chunks as rotate_chunks
    from equiform.augment.rotations import tilt as tilt
    from equiform.augment.simclr import simclr_augmentation as simclr_augmentation
    from equiform.augment.views import CAREViews as CAREViews
    from equiform.augment.views import augment_chunks as augment_chunks
    from equiform.augment.views import care_views as care_views
    from equiform.augment.views import fixed as fixed
    from equiform.augment.views import two_views as two_views
else:
    __getattr__, __dir__, __all__ = lazy_exports(__name__)
