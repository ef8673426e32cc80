"""Random resized crops and flips."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from equiform._options import check_count, check_flag
from equiform.augment._arguments import check_bounds, check_instance, check_share
from equiform.augment.images import Draw, ImageAugmentation, ImageParameters, RandomSwitch

#: How many boxes are tried before the largest central one is taken, as in torchvision.
ATTEMPTS = 10


@dataclass(frozen=True, eq=False)
class CropParameters(ImageParameters):
    """Crops, of images of any size.

    Attributes:
        area: (n, attempts), of the box over that of the image.
        ratio: (n, attempts), width of the box over its height.
        top: (n,), where in its range the box begins, in [0, 1].
        left: (n,), likewise.
    """

    area: Tensor
    ratio: Tensor
    top: Tensor
    left: Tensor


@dataclass(frozen=True)
class RandomResizedCrop(ImageAugmentation[CropParameters]):
    r"""Cut out a random box and resize it (Szegedy et al., CVPR 2015), as torchvision does.

    Area uniform in `scale`, logarithm of the ratio uniform, box of whole pixels at a uniform
    place; of ten draws the first that fits in the image, else the largest central box within the
    bounds of `ratio`. Resizing is bilinear, by two matrices for each image,
    :math:`y = W_v x W_h^t`: O(H W (H' + W')) an image, without a resampling grid.

    Args:
        size: of the result, an integer or (height, width).
        scale: bounds of the area of the box over that of the image.
        ratio: bounds of its width over its height.
        antialias: widen the triangle filter where the box shrinks, as PIL always does.
    """

    size: int | Sequence[int]
    scale: Sequence[float] = (0.08, 1.0)
    ratio: Sequence[float] = (3 / 4, 4 / 3)
    antialias: bool = True

    def __post_init__(self) -> None:
        size = self.size if isinstance(self.size, Sequence) else (self.size, self.size)
        vars(self)["size"] = tuple(check_count("size", side) for side in size)
        if len(size) != 2:
            raise ValueError(f"size must be one or two positive integers, got {self.size}")
        vars(self)["scale"] = check_bounds("scale", self.scale)
        check_share("scale", self.scale[1], remedy=", of the area of the image")
        vars(self)["ratio"] = check_bounds("ratio", self.ratio)
        check_flag("antialias", self.antialias)

    def _sample(self, n: int, draw: Draw) -> CropParameters:
        low, high = self.scale
        area = low + (high - low) * draw(n, ATTEMPTS)
        low, high = map(math.log, self.ratio)
        ratio = torch.exp(low + (high - low) * draw(n, ATTEMPTS))
        return CropParameters(area, ratio, draw(n), draw(n))

    def boxes(self, parameters: CropParameters, height: int, width: int) -> Tensor:
        """Top, left, height and width of n crops of such images in pixels, ``(n, 4)`` int64."""
        check_instance("parameters", parameters, CropParameters, "those of augmentation.sample(n)")
        height, width = check_count("height", height), check_count("width", width)
        area = parameters.area * (height * width)
        w = (area * parameters.ratio).sqrt().round().long()
        h = (area / parameters.ratio).sqrt().round().long()
        fits = (w > 0) & (w <= width) & (h > 0) & (h <= height)
        # argmax of booleans cast to integers is the first one that is true.
        first = fits.byte().argmax(dim=1, keepdim=True)
        low, high = self.ratio
        central = (
            min(height, round(width / low)) if width < low * height else height,
            min(width, round(height * high)) if width > high * height else width,
        )
        found = fits.any(dim=1)
        h = torch.where(found, h.gather(1, first)[:, 0], max(central[0], 1))
        w = torch.where(found, w.gather(1, first)[:, 0], max(central[1], 1))
        top = _place(parameters.top, height - h, found)
        left = _place(parameters.left, width - w, found)
        return torch.stack([top, left, h, w], dim=1)

    def _apply(self, images: Tensor, parameters: CropParameters) -> Tensor:
        out = vars(self)["size"]  # two, whatever was given
        height, width = images.shape[2:]
        top, left, h, w = self.boxes(parameters, height, width).to(images.dtype).unbind(1)
        vertical = _resampling(top, h, height, out[0], self.antialias)
        horizontal = _resampling(left, w, width, out[1], self.antialias)
        rows = images.flatten(1, 2) @ horizontal.mT
        return vertical[:, None] @ rows.unflatten(1, (3, height))


@dataclass(frozen=True)
class HorizontalFlip(RandomSwitch):
    """Mirror left and right with probability p."""

    p: float = 0.5

    def _changed(self, images: Tensor) -> Tensor:
        return images.flip(-1)


def _place(fraction: Tensor, slack: Tensor, found: Tensor) -> Tensor:
    """Uniform on {0, …, slack} for a uniform fraction; half the slack where nothing fitted."""
    # torch.rand stays below 1; a fraction that the user sets may not.
    uniform = torch.minimum((fraction * (slack + 1)).floor().long(), slack)
    return torch.where(found, uniform, slack // 2)


def _resampling(start: Tensor, length: Tensor, size: int, out: int, antialias: bool) -> Tensor:
    """Rows of weights by which pixels [start, start + length) of `size` give `out` pixels.

    The triangle of PIL's resize: pixel x has its centre at x + 1/2, output o at
    start + (o + 1/2) length / out, and the weights within the box sum to one. Shape
    ``(n, out, size)``.
    """
    start, length = start[:, None, None], length[:, None, None]
    pixel = torch.arange(size, device=start.device, dtype=start.dtype)
    output = torch.arange(out, device=start.device, dtype=start.dtype)[:, None]
    # Distances times 2 out are integers, exact in float32 up to 2^24; they are rounded once.
    distance = ((2 * (pixel - start) + 1) * out - (2 * output + 1) * length).abs_()
    reach = 2 * (length.clamp_min(out) if antialias else torch.full_like(length, out))
    inside = (pixel >= start) & (pixel < start + length)
    weights = (1 - distance / reach).clamp_min_(0).mul_(inside)
    return weights.div_(weights.sum(dim=-1, keepdim=True))
