"""Learn how images move when they are cropped, flipped and recoloured: CARE beside SimCLR.

    python examples/cifar_care.py --data synthetic           # coloured shapes, under 2 minutes
    python examples/cifar_care.py --data DIR --dataset cifar10 --preset cifar10-small
    python examples/cifar_care.py --data DIR --dataset cifar10 --preset cifar10-care-simclr
    torchrun --nproc-per-node 4 examples/cifar_care.py --data DIR --dataset stl10 \
        --preset stl10-care-moco --tensorboard

Each method is trained on the same images. Then the encoder is frozen, and on test images we ask
how well a linear classifier and nearest neighbours read it, and how well one rotation explains each
of 20 augmentations (W_f over O(d) and SO(d), γ_b, γ_f). Kept beside: effective rank and uniformity,
without which a collapsed encoder would win.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from equiform.training import (
    CheckpointError,
    format_table,
    join_processes,
    rank,
    versions,
    write_json,
)
from images import settings as about
from images.command_line import add_data, add_settings, changed, parse, read
from images.settings import PRESETS, Settings
from images.train import evaluate_images, train_images

COLUMNS = (
    "probe_top1",
    "knn",
    "wahba",
    "wahba_so",
    "wahba_worst",
    "wahba_null",
    "gamma_b",
    "gamma_f",
    "effective_rank",
    "uniformity",
    "seconds",
)


def compare(arguments: argparse.Namespace) -> str:
    """Train and measure each run, write the results, and return their table."""
    runs = chosen_runs(arguments)
    splits = read(arguments, runs[0])
    methods: dict[str, Any] = {}
    for settings in runs:
        folder = arguments.out / settings.method
        encoder, history = train_images(
            settings,
            splits,
            folder,
            seed=arguments.seed,
            device=arguments.device,
            resume=arguments.resume,
            tensorboard=arguments.tensorboard,
            data=arguments.dataset,
        )
        # On all ranks: those that had nothing to do would time out as they wait for the first.
        scores = evaluate_images(encoder, settings, splits, test=arguments.split == "test")
        methods[settings.method] = {
            "settings": settings.plain(),
            **scores,
            "seconds": history.seconds,
        }
        if rank() == 0:
            record = {
                "dataset": arguments.dataset,
                "limit": arguments.limit,
                "split": arguments.split,
                "seed": arguments.seed,
                "versions": versions(),
            }
            write_json(folder / "metrics.json", record | methods[settings.method])
            write_json(arguments.out / "metrics.json", record | {"methods": methods})
    rows = [
        [method, *(scores.get(key, "-") for key in COLUMNS)] for method, scores in methods.items()
    ]
    return format_table(["method", *COLUMNS], rows)


def chosen_runs(arguments: argparse.Namespace) -> list[Settings]:
    """The runs of the preset, changed as the command line says."""
    runs = list(PRESETS[arguments.preset])
    if arguments.methods:
        by_method = {settings.method: settings for settings in runs}
        runs = [
            by_method.get(method, replace(runs[-1], method=method)) for method in arguments.methods
        ]
    return [replace(settings, **changed(arguments)) for settings in runs]


#: Settings that the command line can change.
OPTIONS = (
    "epochs",
    "batch_size",
    "schedule",
    "accumulate",
    "learning_rate",
    "temperature",
    "weight",
    "num_chunks",
    "width",
    "head",
    "manifold",
    "normalization",
    "precision",
    "validation",
    "measure_every",
    "measured_images",
)


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").partition("\n")[0],
        epilog=f"{about.__doc__}\n{Settings.__doc__}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add_data(parser)
    add(
        "--methods",
        nargs="+",
        metavar="METHOD",
        help="simclr, care-simclr, moco, care-moco, or terms of simclr, moco, inv, unif, equi "
        "joined by +; those of the preset unless given",
    )
    add("--seed", type=int, default=0)
    add("--split", choices=("validation", "test"), default="test", help="images to measure on")
    add("--out", type=Path, default=Path("runs/cifar_care"), help="folder for results")
    add("--resume", action="store_true", help="go on from the checkpoints in --out")
    add("--tensorboard", action="store_true", help="log for TensorBoard, beside log.csv")
    add(
        "--one-pair-per-batch",
        dest="one_pair",
        action="store_const",
        const=True,
        help="one pair of transformations for all chunks, as the released code",
    )
    add("--compile", action="store_const", const=True, help="compile the encoder")
    add_settings(parser, OPTIONS)
    return parse(parser, argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the comparison from the command line."""
    arguments = parse_arguments(argv)
    try:
        with join_processes(arguments.device) as arguments.device:
            table = compare(arguments)
            if rank() == 0:
                print(table)
                print(f"Written to {arguments.out}: metrics.json, and log.csv, encoder.pt a method")
    except (CheckpointError, FloatingPointError, ImportError, OSError, ValueError) as error:
        print(f"cifar_care: error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
