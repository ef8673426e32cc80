"""Augmentations of image batches whose randomness is a value: drawn, shared, replayed, fixed.

A transformation is split into its parameters (`ImageAugmentation.sample`) and what they do
(`ImageAugmentation.apply`), so that who shares parameters with whom is decided by indexing them.
All is tensor code with parameters image by image, on any device, and needs no extra. Kornia's
augmentations share by a flag, for the batch or not at all, its colour jitter has one order a batch,
and its chain is slower (``python -m benchmarks.augment``).
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, Self, SupportsIndex, TypeVar

import torch
from torch import Tensor

from equiform._options import check_count
from equiform.augment._arguments import check_generator, check_instance, check_share

#: How far beyond [0, 1] values come by rounding, in bfloat16 at the worst.
_ROUNDING = 2**-7

#: ``draw(*shape)`` is uniform on [0, 1), in float32.
Draw = Callable[..., Tensor]


@dataclass(frozen=True, eq=False)
class ImageParameters:
    """What n transformations are: a dataclass of tensors, each with leading dimension n."""

    def map(self, function: Callable[[Tensor], Tensor]) -> Self:
        """The parameters with the function applied to every tensor."""
        return type(self)(*(function(getattr(self, f.name)) for f in dataclasses.fields(self)))

    def __len__(self) -> int:
        return len(getattr(self, dataclasses.fields(self)[0].name))

    def __getitem__(self, index: SupportsIndex | slice | Tensor | Sequence[int]) -> Self:
        """The selected transformations; an integer selects one, and n is then 1."""
        return self.map(lambda tensor: tensor[index].reshape(-1, *tensor.shape[1:]))

    def repeat(self, repeats: int) -> Self:
        """Each transformation `repeats` times in a row: chunks to images, ``(n * repeats,)``."""
        repeats = check_count("repeats", repeats, least=0)
        return self.map(lambda tensor: tensor.repeat_interleave(repeats, dim=0))

    def to(self, device: torch.device | str) -> Self:
        """The parameters on another device."""
        return self.map(lambda tensor: tensor.to(device))


P = TypeVar("P", bound=ImageParameters)


class ImageAugmentation(ABC, Generic[P]):
    """A distribution over transformations of images.

    Image i of a batch is transformed by parameters i and by nothing else: what the other images
    are, or how many, does not matter, but for the last digits of sums over pixels.
    """

    def sample(
        self,
        n: int,
        *,
        generator: torch.Generator | None = None,
        device: torch.device | str | None = None,
    ) -> P:
        """Draw n independent transformations.

        Args:
            n: how many.
            generator: source of randomness, on any device: one on the CPU draws the same
                transformations for all. torch's default one on the CPU if None.
            device: where the parameters go; where the generator is if None.
        """
        n = check_count("n", n, least=0)
        check_generator(generator)
        source = "cpu" if generator is None else generator.device
        draw = partial(torch.rand, generator=generator, device=source, dtype=torch.float32)
        parameters = self._sample(n, draw)
        return parameters if device is None else parameters.to(device)

    @torch.no_grad()
    def apply(self, images: Tensor, parameters: P) -> Tensor:
        """Transform images by given parameters; no gradient is recorded.

        Args:
            images: ``(n, 3, H, W)``, uint8, or floating with values in [0, 1], which others and NaN
                are not: ValueError. Not written to.
            parameters: n of them, or one that all images share, on the device of the images.

        Returns:
            ``(n, 3, H', W')`` in [0, 1], new memory, float32, or float64 if the images are.
        """
        images = unit_interval(images)
        check_instance("parameters", parameters, ImageParameters, "those of augmentation.sample(n)")
        if len(parameters) == 1:
            parameters = parameters.repeat(len(images))
        if len(parameters) != len(images):
            raise ValueError(
                f"{len(images)} images need as many parameters, or one, got {len(parameters)}; "
                f"parameters.repeat(k) gives each to k consecutive images"
            )
        # Images need more digits than autocast's half precision leaves them.
        with torch.autocast(images.device.type, enabled=False):
            try:
                # Weighted means of values in [0, 1] leave it by rounding.
                return self._apply(images, parameters).clamp_(0, 1)
            except (AttributeError, TypeError, ValueError):
                self.check_parameters(parameters)
                raise

    def __call__(self, images: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Transform each image by a transformation of its own, drawn here."""
        check_images(images)
        parameters = self.sample(len(images), generator=generator, device=images.device)
        return self.apply(images, parameters)

    def check_parameters(self, parameters: object) -> None:
        """Raise TypeError unless they are parameters such as this augmentation draws."""
        own, given = _kinds(self._sample(1, torch.zeros)), _kinds(parameters)
        if own != given:
            raise TypeError(f"parameters must be {own}, as {self} samples, got {given}")

    @abstractmethod
    def _sample(self, n: int, draw: Draw) -> P:
        """Parameters of n transformations, made of what `draw` returns."""

    @abstractmethod
    def _apply(self, images: Tensor, parameters: P) -> Tensor:
        """Transform floating images in [0, 1], without writing to them, into new memory.

        Identical images of identical parameters must give results that are equal up to rounding,
        wherever in the batch: a batched product may sum each row in an order of its own.
        """


@dataclass(frozen=True, eq=False)
class SwitchParameters(ImageParameters):
    """Whether each image is changed, booleans ``(n,)``."""

    on: Tensor


class RandomSwitch(ImageAugmentation[SwitchParameters]):
    """Change an image with probability p, always in the same way."""

    p: float

    def __post_init__(self) -> None:
        vars(self)["p"] = check_share("p", self.p)  # frozen, it takes no assignment

    def _sample(self, n: int, draw: Draw) -> SwitchParameters:
        return SwitchParameters(draw(n) < self.p)

    def _apply(self, images: Tensor, parameters: SwitchParameters) -> Tensor:
        return torch.where(parameters.on[:, None, None, None], self._changed(images), images)

    @abstractmethod
    def _changed(self, images: Tensor) -> Tensor:
        """What becomes of images ``(n, 3, H, W)`` in [0, 1] that are changed."""


@dataclass(frozen=True, eq=False)
class ComposedParameters(ImageParameters):
    """Parameters of each step of a `Compose`."""

    steps: tuple[ImageParameters, ...]

    def map(self, function: Callable[[Tensor], Tensor]) -> Self:
        """The parameters with the function applied to every tensor of every step."""
        return type(self)(tuple(step.map(function) for step in self.steps))

    def __len__(self) -> int:
        return len(self.steps[0])


class Compose(ImageAugmentation[ComposedParameters]):
    """One or more augmentations one after the other, the first one first."""

    def __init__(self, *steps: ImageAugmentation[Any]) -> None:
        if not steps:
            raise ValueError("Compose needs at least one augmentation")
        for step in steps:
            check_augmentation("steps", step)
        self.steps = steps

    def __repr__(self) -> str:
        return f"Compose({', '.join(map(repr, self.steps))})"

    def _sample(self, n: int, draw: Draw) -> ComposedParameters:
        return ComposedParameters(tuple(step._sample(n, draw) for step in self.steps))

    def _apply(self, images: Tensor, parameters: ComposedParameters) -> Tensor:
        for step, of_step in zip(self.steps, parameters.steps, strict=True):
            images = step._apply(images, of_step)
        return images


def unit_interval(images: Tensor) -> Tensor:
    """Images ``(n, 3, H, W)`` as float32 or float64 in [0, 1]; uint8 is divided by 255."""
    check_images(images)
    if images.dtype == torch.uint8:
        return images.to(torch.float32) / 255
    images = images.to(torch.promote_types(images.dtype, torch.float32))
    # No graph can branch on values.
    if images.numel() and not torch.compiler.is_compiling():
        low, high = torch.stack(images.aminmax()).tolist()
        if not (low >= -_ROUNDING and high <= 1 + _ROUNDING):
            raise ValueError(
                f"floating images must have values in [0, 1], got {low:.4g} to {high:.4g}; divide "
                "those up to 255 by 255, clamp what overshoots, and normalize afterwards"
            )
    return images


def normalize(images: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Subtract the mean of each channel and divide by its standard deviation, after [0, 1].

    The mean and the positive std of three channels are on the scale of [0, 1].
    """
    images = unit_interval(images)
    wrong = f"mean and positive std need three values, got {mean} and {std}"
    try:
        given: dict[str, Any] = {"dtype": images.dtype, "device": images.device}
        shift, scale = (torch.as_tensor(x, **given) for x in (mean, std))
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(wrong) from error
    if any(x.shape != (3,) for x in (shift, scale)) or not (shift.isfinite() & (scale > 0)).all():
        raise ValueError(wrong)
    return (images - shift[:, None, None]) / scale[:, None, None]


def _kinds(parameters: object) -> list[Any]:
    """The class of parameters, and those of the steps of a composition."""
    return [type(parameters).__name__, *map(_kinds, getattr(parameters, "steps", ()))]


def per_image(values: Tensor, images: Tensor) -> Tensor:
    """Values ``(n,)`` as ``(n, 1, 1, 1)`` in the dtype of the images, which then broadcast."""
    return values.to(images.dtype)[:, None, None, None]


def check_images(images: Tensor) -> None:
    """Raise unless images are a tensor ``(n, 3, H, W)`` of uint8 or floating values."""
    if not isinstance(images, Tensor):
        raise TypeError(
            f"images must be a tensor (n, 3, H, W), got {type(images).__name__}; "
            "use torch.as_tensor, and permute where the channels are last"
        )
    if images.ndim != 4 or images.shape[1] != 3 or 0 in images.shape[2:]:
        raise ValueError(f"images must have shape (n, 3, H, W), got {tuple(images.shape)}")
    if images.dtype != torch.uint8 and not images.is_floating_point():
        remedy = "use images.to(torch.uint8), or images / 255, for values up to 255"
        raise TypeError(f"images must be uint8 or floating, got {images.dtype}; {remedy}")


def check_augmentation(name: str, value: object) -> None:
    """Raise TypeError unless it is an augmentation."""
    check_instance(name, value, ImageAugmentation, "an augmentation such as HorizontalFlip()")
