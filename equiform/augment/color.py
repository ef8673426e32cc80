"""Changes of colour: jitter, greyscale, solarisation."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from equiform._options import check_number
from equiform.augment._arguments import check_share
from equiform.augment.images import (
    Draw,
    ImageAugmentation,
    ImageParameters,
    RandomSwitch,
    per_image,
)

#: Luma of ITU-R BT.601, as in PIL. torchvision's 0.2989 would not leave white white.
LUMA = (0.299, 0.587, 0.114)
#: What the entries of `JitterParameters.order` stand for, as in torchvision.
BRIGHTNESS, CONTRAST, SATURATION, HUE = range(4)


@dataclass(frozen=True, eq=False)
class JitterParameters(ImageParameters):
    """Changes of colour, ``(n,)`` each; factors of 1 and a hue of 0, in turns, change nothing.

    The order, ``(n, 4)``, permutes 0 brightness, 1 contrast, 2 saturation, 3 hue.
    """

    order: Tensor
    brightness: Tensor
    contrast: Tensor
    saturation: Tensor
    hue: Tensor


@dataclass(frozen=True)
class ColorJitter(ImageAugmentation[JitterParameters]):
    r"""Change brightness, contrast, saturation and hue in random order, as torchvision does.

    Each of the first three is a blend, :math:`x \mapsto f x + (1 - f) y` clipped to [0, 1]: with
    y = 0 for brightness, the mean luma of the image for contrast, the luma of the pixel for
    saturation. The hue is turned in HSV.

    Args:
        brightness, contrast, saturation: b; the factor is uniform in [max(0, 1 - b), 1 + b].
        hue: h in [0, 1/2]; the shift is uniform in [-h, h], in turns.
        p: probability that an image is changed at all.
    """

    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0
    p: float = 1.0

    def __post_init__(self) -> None:
        for name in ("brightness", "contrast", "saturation"):
            vars(self)[name] = check_number(name, getattr(self, name))
        vars(self)["hue"] = check_share("hue", self.hue, 0.5, "; in turns, degrees / 360")
        vars(self)["p"] = check_share("p", self.p)

    def _sample(self, n: int, draw: Draw) -> JitterParameters:
        # All is drawn for every image, so that p does not shift what the others get.
        applied = draw(n) < self.p

        def factor(width: float) -> Tensor:
            low, high = max(0.0, 1 - width), 1 + width
            return torch.where(applied, low + (high - low) * draw(n), 1.0)

        order = draw(n, 4).argsort(dim=1)
        b, c, s = map(factor, (self.brightness, self.contrast, self.saturation))
        turns = torch.where(applied, self.hue * (2 * draw(n) - 1), 0.0)
        return JitterParameters(order, b, c, s, turns)

    def _apply(self, images: Tensor, parameters: JitterParameters) -> Tensor:
        # Orders differ from image to image. Instead of sorting images by what comes next, which
        # would wait for the device, every image runs through one schedule: three blends, the hue,
        # three blends; those that are not its own have a factor of 1, and change no bit of it.
        order, p = parameters.order, parameters
        place_of_hue = (order == HUE).byte().argmax(dim=1)
        kinds = [p.brightness, p.contrast, p.saturation, torch.ones_like(p.hue)]
        factors = torch.stack(kinds, dim=1).gather(1, order)
        for k in (0, 1, 2):
            images = _blend(images, order[:, k], torch.where(k < place_of_hue, factors[:, k], 1.0))
        images = turn_hue(images, p.hue)
        for k in (1, 2, 3):
            images = _blend(images, order[:, k], torch.where(k > place_of_hue, factors[:, k], 1.0))
        return images


@dataclass(frozen=True)
class RandomGrayscale(RandomSwitch):
    """Replace all channels by the luma with probability p."""

    p: float = 0.1

    def _changed(self, images: Tensor) -> Tensor:
        return luma(images)


@dataclass(frozen=True, eq=False)
class SolarizeParameters(ImageParameters):
    """From which value on each image is inverted, ``(n,)``; above 1 nothing is."""

    threshold: Tensor


@dataclass(frozen=True)
class Solarize(ImageAugmentation[SolarizeParameters]):
    """Invert values of at least `threshold`, in [0, 1], with probability p."""

    threshold: float = 0.5
    p: float = 0.5

    def __post_init__(self) -> None:
        vars(self)["threshold"] = check_share("threshold", self.threshold, 1, "; divide it by 255")
        vars(self)["p"] = check_share("p", self.p)

    def _sample(self, n: int, draw: Draw) -> SolarizeParameters:
        return SolarizeParameters(torch.where(draw(n) < self.p, self.threshold, torch.inf))

    def _apply(self, images: Tensor, parameters: SolarizeParameters) -> Tensor:
        return torch.where(images >= per_image(parameters.threshold, images), 1 - images, images)


def luma(images: Tensor) -> Tensor:
    """Weighted mean of the channels, ``(n, 1, H, W)``."""
    red, green, blue = images.split(1, dim=1)
    return (red * LUMA[0]).add_(green * LUMA[1]).add_(blue * LUMA[2])


def turn_hue(images: Tensor, turns: Tensor) -> Tensor:
    """Add to the hue in HSV, each image its own shift ``(n,)`` in turns.

    A channel is v - c max(0, min(k, 4 - k, 1)) where v is the maximum of the three, c their range
    and k = 5, 3, 1 for red, green, blue plus six times the hue, modulo 6. This is HSV to RGB
    without its six cases.
    """
    red, green, blue = images.split(1, dim=1)
    value = images.amax(dim=1, keepdim=True)
    chroma = value - images.amin(dim=1, keepdim=True)
    divisor = torch.where(chroma > 0, chroma, 1)  # a grey has no hue, and c = 0 ignores it
    hue = torch.where(
        value == red,
        (green - blue) / divisor,
        torch.where(value == green, (blue - red) / divisor + 2, (red - green) / divisor + 4),
    )
    hue = hue + 6 * per_image(turns, images)
    k = (hue + images.new_tensor([5, 3, 1])[:, None, None]).remainder_(6)
    turned = value - torch.minimum(k, 4 - k).clamp_(0, 1).mul_(chroma)
    # Not through HSV and back where the hue stays: it would round.
    return torch.where(per_image(turns, images) == 0, images, turned)


def _blend(images: Tensor, kind: Tensor, factor: Tensor) -> Tensor:
    """Blend each image with black, its mean luma or its luma, as `kind` says, ``(n,)`` each."""
    gray = luma(images)
    rest = 1 - factor.to(images.dtype)
    of_mean = per_image(torch.where(kind == CONTRAST, rest, 0), images)
    of_pixel = per_image(torch.where(kind == SATURATION, rest, 0), images)
    other = of_mean * gray.mean(dim=(2, 3), keepdim=True) + of_pixel * gray
    return (images * per_image(factor, images)).add_(other).clamp_(0, 1)
