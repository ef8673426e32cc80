"""Which changes of an image does an encoder represent, and which does it ignore?

    python examples/cifar_care.py --data synthetic --out runs/shapes
    python examples/image_report.py --run runs/shapes/care-simclr

Prints the equivariance report of an encoder of cifar_care.py on test images, and writes it as a
page to read. For an encoder of your own, call equiform.report as it is done here.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from equiform import report
from equiform.augment import (
    BlurParameters,
    ColorJitter,
    GaussianBlur,
    JitterParameters,
    RandomGrayscale,
    SwitchParameters,
    fixed,
    unit_interval,
)
from equiform.training import CheckpointError
from images.data import DATASETS, load_images
from images.train import load_run

Change = Callable[[Tensor], Tensor]


def recoloured(
    *, brightness: float = 1.0, contrast: float = 1.0, saturation: float = 1.0, hue: float = 0.0
) -> Change:
    """One jitter of colours, fixed."""
    factors = (torch.tensor([x]) for x in (brightness, contrast, saturation, hue))
    jitter = ColorJitter(1.0, 1.0, 1.0, 0.5)
    return fixed(jitter, JitterParameters(torch.arange(4)[None], *factors)[0])


def middle(images: Tensor) -> Tensor:
    """The middle three quarters, enlarged."""
    h, w = images.shape[-2:]
    inner = unit_interval(images)[..., h // 8 : h - h // 8, w // 8 : w - w // 8]
    return torch.nn.functional.interpolate(inner, (h, w), mode="bilinear", antialias=True)


def changes() -> dict[str, Change]:
    """What to ask about."""
    return {
        "mirrored": lambda x: unit_interval(x).flip(-1),
        "upside down": lambda x: unit_interval(x).flip(-2),
        "quarter turn": lambda x: unit_interval(x).rot90(1, (-2, -1)),
        "moved by 4 pixels": lambda x: unit_interval(x).roll(4, -1),
        "middle, enlarged": middle,
        "brighter by a third": recoloured(brightness=1.33),
        "hue by a tenth": recoloured(hue=0.1),
        "hue by a third": recoloured(hue=1 / 3),
        "grey": fixed(RandomGrayscale(1.0), SwitchParameters(torch.tensor([True]))),
        "blurred": fixed(GaussianBlur(3), BlurParameters(torch.tensor([2.0]))[0]),
        "negative": lambda x: 1 - unit_interval(x),
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Report from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--run", type=Path, required=True, help="folder of a method's run")
    parser.add_argument("--data", help="folder of --dataset")
    parser.add_argument("--dataset", choices=DATASETS, default="synthetic")
    parser.add_argument("--out", type=Path, default=Path("runs/image_report"))
    arguments = parser.parse_args(argv)
    try:
        encoder, settings = load_run(arguments.run)
        splits = load_images(arguments.dataset, arguments.data, size=settings.image_size)
    except (CheckpointError, OSError, ValueError) as error:
        print(f"image_report: error: {error}", file=sys.stderr)
        return 2
    # The encoder's embeddings are on its manifold already.
    group = encoder.manifold.isometry_group(encoder.dim)
    result = report(encoder, splits.test.images, changes(), group=group, out=arguments.out)
    print(result)
    print(f"Written to {arguments.out}: index.html, its figures, metrics.json")
    return 0


if __name__ == "__main__":
    sys.exit(main())
