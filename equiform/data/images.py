"""Labelled images as tensors: what every image loader of this package returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn.functional import interpolate

_CHUNK = 1024  # images that are resized at once, in floating point


class ImageFormatError(ValueError):
    """An image file or archive that cannot be read without guessing; the message says why."""


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images of one size with their labels, whole in memory.

    As bytes, small sets fit beside the model on its device: batches are then drawn by indexing, and
    no loader is needed.

    Attributes:
        images: (N, 3, H, W) uint8, RGB.
        labels: (N,) int64, positions in `classes`.
        classes: their names.
        factors: what else is known of each image, by name; (N, ...) each.
    """

    images: Tensor
    labels: Tensor
    classes: tuple[str, ...]
    factors: Mapping[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        images, labels = self.images, self.labels
        if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] != 3:
            raise ValueError(
                f"images must be uint8 of shape (N, 3, H, W), got {images.dtype} of shape "
                f"{tuple(images.shape)}; scale to 0..255, round and permute them first"
            )
        if not images.numel():
            raise ValueError(f"images must hold at least one, got shape {tuple(images.shape)}")
        if labels.dtype != torch.int64:
            raise ValueError(f"labels must be int64, got {labels.dtype}; convert with .long()")
        for name, values in {"labels": labels, **self.factors}.items():
            if values.shape[:1] != images.shape[:1]:
                n, shape = len(images), tuple(values.shape)
                raise ValueError(f"{name} must have one row for each of {n} images, got {shape}")
            if values.device != images.device:
                devices = f"{images.device}, got {values.device}"
                raise ValueError(f"{name} must be on the device of images, {devices}")
        if labels.ndim != 1:
            raise ValueError(f"labels must have one dimension, got shape {tuple(labels.shape)}")
        low, high, top = int(labels.min()), int(labels.max()), len(self.classes) - 1
        if low < 0 or high > top:
            raise ValueError(f"labels must be in 0..{top}, places in classes, got {low}..{high}")

    def __len__(self) -> int:
        return len(self.images)

    def to(self, device: torch.device | str) -> ImageSet:
        """The same images on a device."""
        return self._each(lambda values: values.to(device))

    def subset(self, indices: Tensor | Sequence[int]) -> ImageSet:
        """Some of the images, by one or more positions or a mask (N,); all classes are kept."""
        chosen = torch.as_tensor(indices, device=self.images.device)
        if not chosen.numel() or chosen.is_floating_point():
            given = f"{chosen.dtype} of shape {tuple(chosen.shape)}"
            raise ValueError(f"indices must be one or more integers, or a mask, got {given}")
        return self._each(lambda values: values[chosen])

    def _each(self, function: Callable[[Tensor], Tensor]) -> ImageSet:
        factors = {name: function(values) for name, values in self.factors.items()}
        return ImageSet(function(self.images), function(self.labels), self.classes, factors)

    def split(self, fraction: float, *, seed: int) -> tuple[ImageSet, ImageSet]:
        """Hold a part out, the same share of every class.

        Hold the images that settings are chosen on out of the training set: whoever chooses on the
        test set reports too good a figure.

        Args:
            fraction: share to hold out, in (0, 1); of each class the nearest whole number.
            seed: of the draw.

        Returns:
            What is kept, and what is held out, either in the order of this set; not empty.
        """
        if not 0 < fraction < 1:
            raise ValueError(f"fraction must be between 0 and 1, got {fraction}")
        labels = self.labels.cpu()
        order = torch.randperm(len(self), generator=torch.Generator().manual_seed(seed))
        order = order[labels[order].argsort(stable=True)]  # by class, at random within it
        sizes = labels.bincount(minlength=len(self.classes))
        rank = torch.empty_like(order)
        rank[order] = torch.arange(len(self)) - (sizes.cumsum(0) - sizes)[labels[order]]
        held_out = rank < (fraction * sizes.double()).round()[labels]
        count = int(held_out.sum())
        if not 0 < count < len(self):
            part = f"fraction={fraction} holds out {count} of {len(self)} images"
            raise ValueError(f"{part}; choose one that leaves both parts some")
        return self.subset(~held_out), self.subset(held_out)

    def resize(self, size: int) -> ImageSet:
        """The images at (size, size), by antialiased bilinear interpolation."""
        return ImageSet(resize(self.images, size), self.labels, self.classes, self.factors)

    def mean_std(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation (over N, not N - 1) of channels, (3,) each; white is 1."""
        # Counts are exact, and take less memory than the images in floating point.
        channels = self.images.unbind(1)
        counts = torch.stack([c.flatten().bincount(minlength=256) for c in channels]).double()
        values = torch.arange(256, device=counts.device).double() / 255
        weights = counts / counts.sum(dim=1, keepdim=True)
        mean = weights @ values
        variance = (weights * (values - mean[:, None]).square()).sum(dim=1)
        return mean.float(), variance.sqrt().float()


def resize(images: Tensor, size: int) -> Tensor:
    """Images (N, C, H, W) uint8 at (size, size), by antialiased bilinear interpolation."""
    if size < 1:
        raise ValueError(f"size must be at least 1 pixel, got {size}")
    if images.shape[-2:] == (size, size):
        return images
    # In floating point: the interpolation of bytes that torch has differs from device to device.
    chunks = (
        interpolate(chunk.float(), (size, size), mode="bilinear", antialias=True)
        for chunk in images.split(_CHUNK)
    )
    return torch.cat([chunk.round_().clamp_(0, 255).to(torch.uint8) for chunk in chunks])
