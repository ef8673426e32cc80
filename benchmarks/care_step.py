"""Images per second of a whole training step: SimCLR, CARE-SimCLR, and CARE as its authors ran it.

    python -m benchmarks.care_step [--encoder tiny] [--device cpu] [--markdown FILE]

A step augments uint8 images on the device, encodes the views, and does the loss, the backward pass
and a step of Adam. All take the same images, augmentation, initial encoder and optimiser, and one
thread on a CPU; the median of steps in turns. The parts are timed on their own.

* **SimCLR**: two views, one call of the encoder.
* **CARE, equiform**: ``care_views``, one call of the encoder for all four views, ``CARELoss``.
* **CARE, released structure** (github: Sharut/CARE at 7090100): a call of the encoder for each
  view, a Python loop over chunks in the loss, masks built by Python loops, naive exponentials. Its
  code draws one pair of transformations for the whole batch, so its augmentation is one call a
  view. What it reads back for its log each step is left out, and its contrastive views, which it
  makes by PIL in the loader, are made here as ours are.
* **CARE, looped over chunks**: the same, with a pair for each chunk as Algorithm 1 of the paper
  says, hence a call of the augmentation for each chunk and view.

Nothing is timed before the losses and their gradients agree on the same embeddings. In a step the
embeddings differ: batch norms see four views at once, or one.

On a CPU the memory of freed tensors is kept, as ``cifar_care.py`` does; else those of 1024 images
are mapped from the system anew each time, and one call of the encoder costs more than four.
"""

from __future__ import annotations

import argparse
import copy
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from benchmarks import rivals
from benchmarks.timing import machine, median_ms
from equiform import CARELoss, InfoNCELoss, PairwiseEquivarianceLoss
from equiform.augment import care_views, simclr_augmentation
from equiform.data import synthetic_shapes
from equiform.nn import BasicBlock, ResNet, resnet18
from equiform.training import keep_freed_memory
from equiform.training.image_encoder import ImageEncoder

BATCH, NUM_CHUNKS, DIM = 256, 16, 128
TEMPERATURE, WEIGHT = 0.5, 0.01
#: On a GPU: the most that CARE may take of SimCLR's step, and the least that the released takes
#: of ours.
TARGET_OF_SIMCLR, TARGET_OF_RELEASED = 1.9, 3.0
PARTS = ("augmentation", "encoder", "loss", "optimiser")

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


def encode_together(encoder: nn.Module, views: Sequence[Tensor]) -> list[Tensor]:
    return list(encoder(torch.cat(list(views))).chunk(len(views)))


def encode_apart(encoder: nn.Module, views: Sequence[Tensor]) -> list[Tensor]:
    return [encoder(view) for view in views]


@dataclass(frozen=True)
class Method:
    """The three parts in which methods differ."""

    augment: Callable[[Tensor], Sequence[Tensor]]
    encode: Callable[[nn.Module, Sequence[Tensor]], list[Tensor]]
    loss: Callable[..., Tensor]


def methods(device: str) -> dict[str, Method]:
    augmentation = simclr_augmentation(32)
    generator = torch.Generator(device).manual_seed(0)

    def pair(images: Tensor) -> list[Tensor]:
        return [augmentation(images, generator=generator) for _ in range(2)]

    return {
        "SimCLR": Method(pair, encode_together, InfoNCELoss(TEMPERATURE)),
        "CARE, equiform": Method(
            lambda images: care_views(augmentation, images, NUM_CHUNKS, generator=generator),
            encode_together,
            lambda *z: care_loss(*z).total,
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


def step_and_parts(
    method: Method, initial: ImageEncoder, images: Tensor
) -> dict[str, Callable[[], object]]:
    """The whole step, and its parts with what comes before them fixed."""
    trained, timed = copy.deepcopy(initial), copy.deepcopy(initial)
    optimiser, optimiser_alone = (
        torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=1e-6)
        for model in (trained, timed)
    )
    views = method.augment(images)
    embeddings = method.encode(timed, views)
    cotangents = [torch.randn_like(z) for z in embeddings]
    leaves = [z.detach().requires_grad_() for z in embeddings]

    def step() -> None:
        loss = method.loss(*method.encode(trained, method.augment(images)))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    def encoder() -> None:
        optimiser_alone.zero_grad()
        torch.autograd.backward(method.encode(timed, views), cotangents)

    return {
        "step": step,
        "augmentation": lambda: method.augment(images),
        "encoder": encoder,
        "loss": lambda: torch.autograd.grad(method.loss(*leaves), leaves),
        "optimiser": optimiser_alone.step,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--encoder", choices=list(ENCODERS), default="tiny")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--seconds", type=float, default=5.0, help="about how long to time each")
    parser.add_argument("--markdown", type=Path, help="also write the table to this file")
    args = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    torch.manual_seed(0)
    images = synthetic_shapes(BATCH).images.to(args.device)
    encoder = ENCODERS[args.encoder]().to(args.device)
    of = methods(args.device)

    care = of["CARE, equiform"]
    check_losses(care.encode(encoder, care.augment(images)))

    load = os.getloadavg()[0]
    ms = median_ms(
        {
            f"{name}: {part}": run
            for name, method in of.items()
            for part, run in step_and_parts(method, encoder, images).items()
        },
        seconds=args.seconds,
        device=args.device,
    )
    simclr, ours, released, looped = (ms[f"{name}: step"] for name in of)
    lines = [
        f"{BATCH} images of 32×32, {NUM_CHUNKS} chunks, encoder {args.encoder}, embeddings of "
        f"{DIM}, on {machine(args.device)}, torch {torch.__version__}; load average "
        f"{load:.1f} before, {os.getloadavg()[0]:.1f} after",
        "",
        "| step | images/s | ms a step | augmentation | encoder | loss | optimiser "
        "| of SimCLR's step | of equiform's CARE |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name in of:
        step, *parts = (ms[f"{name}: {part}"] for part in ("step", *PARTS))
        lines.append(
            f"| {name} | {1e3 * BATCH / step:.0f} | {step:.4g} "
            f"| {' | '.join(f'{part:.3g}' for part in parts)} "
            f"| {step / simclr:.2f}× | {step / ours:.2f}× |"
        )
    together, apart = (
        4e3 * BATCH / ms[f"CARE, {how}: encoder"] for how in ("equiform", "released structure")
    )
    lines += [
        "",
        f"The encoder alone, forward and backward: {together:.0f} views/s with four views a call, "
        f"{apart:.0f} with one.",
        "",
        f"Targets, set for a GPU{'' if args.device == 'cuda' else ', measured here on a CPU'}: "
        f"CARE in at most {TARGET_OF_SIMCLR}× SimCLR's step, "
        f"{_verdict(ours / simclr <= TARGET_OF_SIMCLR)} ({ours / simclr:.2f}×); at least "
        f"{TARGET_OF_RELEASED:.0f}× as fast as the released structure, "
        f"{_verdict(released / ours >= TARGET_OF_RELEASED)} ({released / ours:.2f}×), and looped "
        f"over chunks, {_verdict(looped / ours >= TARGET_OF_RELEASED)} ({looped / ours:.2f}×).",
    ]
    table = "\n".join(lines)
    print(table)
    if args.markdown is not None:
        args.markdown.write_text(table + "\n")


def _verdict(reached: bool) -> str:
    return "reached" if reached else "missed"


if __name__ == "__main__":
    main()
