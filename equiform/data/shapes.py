"""Images of coloured shapes whose position, size, angle and hue are known.

A representation learned from them can be asked what it keeps of each factor, and how a change of
one acts on it. Each shape is a signed distance, rendered with antialiased edges over a background
that runs from one muted colour to another, under noise; a gradient of light turns with the shape,
so that the angle of a disc is to be seen too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from equiform.data.images import ImageSet

_NOISE = 0.05  # standard deviation, in units of white
_SHADE = 0.35  # how much darker than the lit end of a shape its dark end is

_Distance = Callable[[Tensor, Tensor], Tensor]


def _disc(u: Tensor, v: Tensor) -> Tensor:
    return torch.hypot(u, v) - 1


def _ring(u: Tensor, v: Tensor) -> Tensor:
    return (torch.hypot(u, v) - 0.75).abs() - 0.25


def _crescent(u: Tensor, v: Tensor) -> Tensor:
    return torch.maximum(torch.hypot(u, v) - 1, 0.8 - torch.hypot(u - 0.5, v))


def _cross(u: Tensor, v: Tensor) -> Tensor:
    # Two bars, 2 by 0.7 before they are scaled to the unit circle.
    u, v = u.abs(), v.abs()
    reach, half = 1 / math.hypot(1, 0.35), 0.35 / math.hypot(1, 0.35)
    long, wide = torch.maximum(u, v), torch.minimum(u, v)
    return torch.maximum(long - reach, wide - half)


def _star(u: Tensor, v: Tensor, *, points: int, inner: float) -> Tensor:
    """Tips on the unit circle, the first at angle 0, and corners at radius `inner` between them.

    Folded into half a sector, the edge is one line from (1, 0) to the corner at angle π / points.
    A regular polygon is the star whose corners lie on its edges, at radius cos(π / points).
    """
    step = 2 * math.pi / points
    angle = torch.atan2(v, u)
    folded = (angle - step * (angle / step).round()).abs()
    radius = torch.hypot(u, v)
    dx, dy = inner * math.cos(step / 2) - 1, inner * math.sin(step / 2)
    length = math.hypot(dx, dy)
    # The outward normal of the edge is (dy, -dx) / length.
    return ((radius * folded.cos() - 1) * dy - radius * folded.sin() * dx) / length


_SHAPES: dict[str, _Distance] = {
    "disc": _disc,
    "ring": _ring,
    "crescent": _crescent,
    "cross": _cross,
    "triangle": partial(_star, points=3, inner=math.cos(math.pi / 3)),
    "square": partial(_star, points=4, inner=math.cos(math.pi / 4)),
    "pentagon": partial(_star, points=5, inner=math.cos(math.pi / 5)),
    "star": partial(_star, points=5, inner=0.45),
}


def synthetic_shapes(n: int, *, size: int = 32, seed: int = 0) -> ImageSet:
    """Images of one shape each, labelled by the kind of shape; ``factors``, each (n,) float32:

    * ``hue`` of the shape, in turns: 0 is red, 1/3 green, and 1 would be red again;
    * ``x`` to the right, ``y`` downwards: its centre, in half sides of the image from the middle;
    * ``scale``: radius of the circle about it, in half sides; the circle lies within the image;
    * ``angle`` by which it is turned from x towards y, in [0, 2π) radians.

    Args:
        n: how many; the kinds of shape are equally frequent, to within one.
        size: side of the images in pixels.
        seed: the same seed gives the same images.
    """
    if n < 1 or size < 1:
        raise ValueError(f"n and size must be at least 1, got n={n}, size={size}")
    generator = torch.Generator().manual_seed(seed)

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(shape, generator=generator)

    labels = torch.randperm(n, generator=generator) % len(_SHAPES)
    scale = uniform(0.35, 0.65, n)
    x, y = (1 - scale) * uniform(-1, 1, 2, n)
    hue, angle = uniform(0, 1, n), uniform(0, 2 * math.pi, n)
    factors = {"hue": hue, "x": x, "y": y, "scale": scale, "angle": angle}
    colour = hsv_to_rgb(hue, uniform(0.6, 1, n), uniform(0.6, 1, n))
    ends = hsv_to_rgb(*(uniform(0, high, 2, n) for high in (1.0, 0.5, 0.9)))
    direction = uniform(0, 2 * math.pi, n)

    images = torch.empty(n, 3, size, size, dtype=torch.uint8)
    for label in range(len(_SHAPES)):
        of_kind = (labels == label).nonzero()[:, 0]
        pose = {name: factors[name][of_kind] for name in ("x", "y", "scale", "angle")}
        coverage, light = render(label, size=size, **pose)
        ramp = (1 + _turned(direction[of_kind], size)[0] / math.sqrt(2)) / 2  # within [0, 1]
        near, far = ends[:, of_kind, :, None, None]
        background = near + (far - near) * ramp[:, None]
        shape = colour[of_kind, :, None, None] * (1 - _SHADE * (1 - light[:, None]))
        picture = torch.lerp(background, shape, coverage[:, None])
        picture += _NOISE * torch.randn(picture.shape, generator=generator)
        images[of_kind] = (255 * picture).round_().clamp_(0, 255).to(torch.uint8)
    return ImageSet(images, labels, tuple(_SHAPES), factors)


def render(
    label: int, *, x: Tensor, y: Tensor, scale: Tensor, angle: Tensor, size: int
) -> tuple[Tensor, Tensor]:
    """How much of each pixel a shape covers, and the light on it, (n, size, size) each, in [0, 1].

    Args:
        label: of the kind of shape.
        x, y, scale, angle: (n,), as in `synthetic_shapes`.
        size: side of the images in pixels.
    """
    scale = scale[:, None, None]
    u, v = (at / scale for at in _turned(angle, size, x[:, None, None], y[:, None, None]))
    distance = list(_SHAPES.values())[label](u, v) * scale
    # Over the width of a pixel, 2 / size, an edge that runs through it goes from 1 to 0.
    return (0.5 - distance * size / 2).clamp_(0, 1), ((u + 1) / 2).clamp_(0, 1)


def hsv_to_rgb(hue: Tensor, saturation: Tensor, value: Tensor) -> Tensor:
    """Colours (..., 3) in [0, 1], from hue in turns, saturation and value (...,) in [0, 1]."""
    k = (torch.tensor([5.0, 3.0, 1.0]) + 6 * hue[..., None]) % 6
    dip = torch.minimum(k, 4 - k).clamp(0, 1)
    return value[..., None] * (1 - saturation[..., None] * dip)


def _turned(
    angle: Tensor, size: int, x: Tensor | float = 0, y: Tensor | float = 0
) -> tuple[Tensor, Tensor]:
    """Pixels from (x, y) along and across a direction, (n, size, size) each, in half sides."""
    at = (torch.arange(size) + 0.5) * (2 / size) - 1
    right, down = at - x, at[:, None] - y
    cos, sin = angle.cos()[:, None, None], angle.sin()[:, None, None]
    return cos * right + sin * down, cos * down - sin * right
