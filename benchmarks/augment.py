"""Images per second of each image augmentation and of SimCLR's chain, beside kornia's own.

    python -m benchmarks.augment [--size 32] [--batch 256] [--device cpu] [--markdown FILE]

Random float32 images on the device, parameters drawn anew in each call, one thread on a CPU; the
median of calls in turns. Kornia runs the same transforms with the same settings and an
independent transformation for each image, as here; its colour jitter has one order for the batch,
where ours has one for each image. The target is 3000 images per second of 32×32 on one core for
the whole chain.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.timing import machine, median_ms
from equiform._extras import require
from equiform.augment import (
    ColorJitter,
    GaussianBlur,
    HorizontalFlip,
    ImageAugmentation,
    RandomGrayscale,
    RandomResizedCrop,
    Solarize,
    care_views,
    simclr_augmentation,
)

#: Images per second of the chain on one CPU core, at 32×32.
TARGET = 3000


def ours(size: int, kernel_size: int) -> dict[str, ImageAugmentation]:
    return {
        "random resized crop": RandomResizedCrop(size, scale=(0.2, 1.0)),
        "horizontal flip": HorizontalFlip(),
        "colour jitter, p = 0.8": ColorJitter(0.4, 0.4, 0.4, 0.1, p=0.8),
        "greyscale, p = 0.2": RandomGrayscale(0.2),
        "blur, p = 0.5": GaussianBlur(kernel_size),
        "solarize, p = 0.5": Solarize(),
        "SimCLR chain": simclr_augmentation(size, kernel_size=kernel_size),
    }


def theirs(size: int, kernel_size: int) -> dict[str, Callable[[Tensor], Tensor]]:
    """Kornia's, under the names of `ours`."""
    kornia = require("kornia.augmentation", extra="images")
    crop = kornia.RandomResizedCrop((size, size), scale=(0.2, 1.0))
    flip = kornia.RandomHorizontalFlip(p=0.5)
    jitter = kornia.ColorJitter(0.4, 0.4, 0.4, 0.1, p=0.8)
    grey = kornia.RandomGrayscale(p=0.2)
    blur = kornia.RandomGaussianBlur((kernel_size, kernel_size), (0.1, 2.0), p=0.5)
    solarize = kornia.RandomSolarize(thresholds=0.0, additions=0.0, p=0.5)
    chain = kornia.AugmentationSequential(crop, flip, jitter, grey, blur)
    return dict(
        zip(ours(size, kernel_size), (crop, flip, jitter, grey, blur, solarize, chain), strict=True)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=32, help="side of the images (default: 32)")
    parser.add_argument("--batch", type=int, default=256, help="images a call (default: 256)")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seconds", type=float, default=2.0, help="about how long to time each")
    parser.add_argument("--markdown", type=Path, help="also write the table to this file")
    args = parser.parse_args()
    torch.set_num_threads(1)
    images = torch.rand(
        args.batch, 3, args.size, args.size, generator=torch.Generator().manual_seed(0)
    ).to(args.device)
    kernel_size = max(3, args.size // 10 // 2 * 2 + 1)
    lines = [
        f"{args.batch} images of {args.size}×{args.size} on {machine(args.device)}, "
        f"torch {torch.__version__}, kornia {require('kornia', extra='images').__version__}",
        "",
        "| transform | images/s | kornia, images/s | times as fast |",
        "|---|---|---|---|",
    ]
    kornia = theirs(args.size, kernel_size)
    for name, augmentation in ours(args.size, kernel_size).items():
        steps = {
            "ours": lambda a=augmentation: a(images),
            "kornia": lambda k=kornia[name]: k(images),
        }
        ms = median_ms(steps, seconds=args.seconds, device=args.device)
        rate = {who: 1e3 * args.batch / t for who, t in ms.items()}
        lines.append(
            f"| {name} | {rate['ours']:.0f} | {rate['kornia']:.0f} "
            f"| {rate['ours'] / rate['kornia']:.1f} |"
        )
    chain = simclr_augmentation(args.size, kernel_size=kernel_size)
    num_chunks = 16 if args.batch % 16 == 0 else 1
    ms = median_ms(
        {"views": lambda: care_views(chain, images, num_chunks)},
        seconds=args.seconds,
        device=args.device,
    )
    lines.append(
        f"| CARE's four views, {num_chunks} chunks | {1e3 * args.batch / ms['views']:.0f} | – | – |"
    )
    if args.device == "cpu" and args.size == 32:
        lines += ["", f"Target of the chain: {TARGET}; {_verdict(rate['ours'])}."]
    table = "\n".join(lines)
    print(table)
    if args.markdown is not None:
        args.markdown.write_text(table + "\n")


def _verdict(rate: float) -> str:
    return "reached" if rate >= TARGET else "missed"


if __name__ == "__main__":
    main()
