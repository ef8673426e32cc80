"""The methods whose training steps are timed: SimCLR, CARE, and CARE as its authors ran it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from benchmarks import rivals
from equiform import CARELoss, InfoNCELoss, PairwiseEquivarianceLoss
from equiform.augment import augment_chunks, care_views, simclr_augmentation
from equiform.nn import BasicBlock, ResNet, resnet18
from images.encoder import ImageEncoder

BATCH, NUM_CHUNKS, DIM = 256, 16, 128
TEMPERATURE, WEIGHT = 0.5, 0.01

ENCODERS: dict[str, Callable[[], ImageEncoder]] = {
    "tiny": lambda: ImageEncoder(
        ResNet(BasicBlock, (1, 1, 1, 1), width=8, cifar_stem=True), (64, DIM)
    ),
    "resnet18": lambda: ImageEncoder(resnet18(cifar_stem=True), (512, DIM)),
}

care_loss = CARELoss(
    InfoNCELoss(TEMPERATURE),
    PairwiseEquivarianceLoss(num_chunks=NUM_CHUNKS, normalization="care"),
    weight=WEIGHT,
)


def released_loss(z1: Tensor, z2: Tensor, z1_equi: Tensor, z2_equi: Tensor) -> Tensor:
    chunks = [z.unflatten(0, (NUM_CHUNKS, -1)) for z in (z1_equi, z2_equi)]
    return rivals.released_info_nce(z1, z2, TEMPERATURE) + WEIGHT * rivals.released(*chunks)


Network = Callable[[Tensor], Tensor]


def encode_together(network: Network, views: Sequence[Tensor]) -> list[Tensor]:
    return list(network(torch.cat(list(views))).chunk(len(views)))


def encode_apart(network: Network, views: Sequence[Tensor]) -> list[Tensor]:
    return [network(view) for view in views]


@dataclass(frozen=True)
class Method:
    """The three parts in which methods differ."""

    augment: Callable[[Tensor], Sequence[Tensor]]
    encode: Callable[[Network, Sequence[Tensor]], list[Tensor]]
    loss: Callable[..., Tensor]


class Run(NamedTuple):
    """How the encoder is run: under autocast to a dtype or not, compiled or not."""

    autocast: torch.dtype | None = None
    compiled: bool = False

    def network(self, encoder: ImageEncoder) -> Network:
        inner: Network = torch.compile(encoder, dynamic=False) if self.compiled else encoder
        device = next(encoder.parameters()).device.type

        def network(images: Tensor) -> Tensor:
            enabled = self.autocast is not None
            with torch.autocast(device, dtype=self.autocast, enabled=enabled):
                return inner(images)

        return network


def methods(device: str) -> dict[str, Method]:
    augmentation = simclr_augmentation(32)
    generator = torch.Generator(device).manual_seed(0)

    def pair(images: Tensor) -> list[Tensor]:
        return [augmentation(images, generator=generator) for _ in range(2)]

    def shared(images: Tensor, views: int) -> list[Tensor]:
        return [
            augment_chunks(augmentation, images, NUM_CHUNKS, generator=generator)[0]
            for _ in range(views)
        ]

    def equiform_loss(*z: Tensor) -> Tensor:
        return care_loss(*z).total

    return {
        "SimCLR": Method(pair, encode_together, InfoNCELoss(TEMPERATURE)),
        "CARE, equiform": Method(
            lambda images: care_views(augmentation, images, NUM_CHUNKS, generator=generator),
            encode_together,
            equiform_loss,
        ),
        "CARE, three views": Method(
            lambda images: [augmentation(images, generator=generator), *shared(images, 2)],
            encode_together,
            lambda z, z1, z2: equiform_loss(z, z1, z1, z2),
        ),
        "CARE, two views": Method(
            lambda images: shared(images, 2),
            encode_together,
            lambda z1, z2: equiform_loss(z1, z2, z1, z2),
        ),
        "CARE, released structure": Method(
            lambda images: pair(images) + rivals.one_pair(augmentation, images, generator),
            encode_apart,
            released_loss,
        ),
        "CARE, looped over chunks": Method(
            lambda images: (
                pair(images) + rivals.looped_pairs(augmentation, images, NUM_CHUNKS, generator)
            ),
            encode_apart,
            released_loss,
        ),
    }


def check_losses(z: Sequence[Tensor]) -> None:
    """Raise unless our loss and gradient are those of the released formula, in both precisions."""
    for dtype, tolerance in ((torch.float64, 1e-12), (torch.float32, 1e-5)):
        leaves = [x.detach().to(dtype).requires_grad_() for x in z]
        ours, theirs = care_loss(*leaves).total, released_loss(*leaves)
        torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=0)
        gradients = [
            torch.cat(torch.autograd.grad(loss, leaves)).flatten() for loss in (ours, theirs)
        ]
        # Entry by entry, up to the rounding of the largest one.
        scale = tolerance * float(gradients[1].abs().max())
        torch.testing.assert_close(*gradients, rtol=0, atol=scale)
