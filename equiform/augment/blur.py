"""Gaussian blur."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from equiform._options import check_count
from equiform.augment._arguments import check_bounds, check_share
from equiform.augment.images import Draw, ImageAugmentation, ImageParameters


@dataclass(frozen=True, eq=False)
class BlurParameters(ImageParameters):
    """Standard deviation of each blur in pixels, ``(n,)``; 0 changes nothing."""

    sigma: Tensor


@dataclass(frozen=True)
class GaussianBlur(ImageAugmentation[BlurParameters]):
    """Convolve with a Gaussian of random width with probability p; borders are reflected.

    Args:
        kernel_size: odd, in pixels; SimCLR takes a tenth of the image's side.
        sigma: bounds of the standard deviation in pixels, which is uniform.
        p: probability.

    Applied to an image without kernel_size // 2 pixels beside its border it raises ValueError.
    """

    kernel_size: int = 3
    sigma: Sequence[float] = (0.1, 2.0)
    p: float = 0.5

    def __post_init__(self) -> None:
        vars(self)["p"] = check_share("p", self.p)  # frozen, it takes no assignment
        vars(self)["kernel_size"] = check_count("kernel_size", self.kernel_size)
        if self.kernel_size % 2 == 0:
            raise ValueError(f"kernel_size must be odd, got {self.kernel_size}")
        vars(self)["sigma"] = check_bounds("sigma", self.sigma)

    def _sample(self, n: int, draw: Draw) -> BlurParameters:
        low, high = self.sigma
        applied, sigma = draw(n) < self.p, low + (high - low) * draw(n)
        return BlurParameters(torch.where(applied, sigma, 0.0))

    def _apply(self, images: Tensor, parameters: BlurParameters) -> Tensor:
        radius = self.kernel_size // 2
        if radius >= min(images.shape[2:]):
            raise ValueError(
                f"kernel_size={self.kernel_size} needs images of more than {radius} pixels a side, "
                f"got {tuple(images.shape[2:])}"
            )
        offsets = torch.arange(-radius, radius + 1, device=images.device, dtype=images.dtype)
        # A softmax normalises the kernel and keeps σ = 0 exact: weights e^{-10^6 k^2/2} are zero.
        sigma = parameters.sigma.to(images.dtype)[:, None].clamp_min(1e-3)
        kernel = torch.softmax(-((offsets / sigma) ** 2) / 2, dim=1)
        padded = torch.nn.functional.pad(images, (radius, radius, radius, radius), mode="reflect")
        return _smooth(_smooth(padded, kernel, dim=3), kernel, dim=2)


def _smooth(images: Tensor, kernel: Tensor, dim: int) -> Tensor:
    """Valid correlation along one axis with a symmetric kernel for each image, ``(n, k)``.

    A sum of shifted images, two of the same weight at a time: faster than kornia's convolution in
    3 n groups (``python -m benchmarks.augment``).
    """
    radius = kernel.shape[1] // 2
    length = images.shape[dim] - 2 * radius
    weights = [weight[:, None, None, None] for weight in kernel[:, radius:].unbind(1)]
    total = images.narrow(dim, radius, length) * weights[0]
    for k, weight in enumerate(weights[1:], start=1):
        before = images.narrow(dim, radius - k, length)
        after = images.narrow(dim, radius + k, length)
        total.add_((before + after).mul_(weight))
    return total
