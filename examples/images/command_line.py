"""What the scripts that train on images ask alike on their command lines."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from images.data import DATASETS, ImageSplits, load_images
from images.settings import PRESETS, Settings

_KINDS = get_type_hints(Settings)


def add_data(parser: argparse.ArgumentParser) -> None:
    """Add what a run is of, and where it is done."""
    add = parser.add_argument
    add("--data", default="synthetic", metavar="PATH", help="synthetic, or the folder of --dataset")
    add("--dataset", choices=DATASETS[1:], help="what the folder holds; cifar10 unless given")
    add("--preset", choices=PRESETS, metavar="PRESET", help=", ".join(PRESETS))
    add("--limit", type=int, help="how many training images to use")
    add("--device", help="cpu, cuda or a GPU; a GPU where there is one unless given")


def add_settings(parser: argparse.ArgumentParser, names: Sequence[str]) -> None:
    """Add options that change settings of the preset, each of its own kind."""
    for name in names:
        kind = _KINDS[name]
        how: dict[str, Any] = {"type": kind}
        if get_origin(kind) is Literal:
            how = {"choices": get_args(kind)}
        elif get_origin(kind) is tuple:
            how = {"type": get_args(kind)[0], "nargs": "+", "metavar": name.upper()}
        option = f"--{name.replace('_', '-')}"
        parser.add_argument(option, help="instead of that of the preset", **how)


def parse(parser: argparse.ArgumentParser, argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse a command line, with the data set and the preset that it means."""
    arguments = parser.parse_args(argv)
    if arguments.data == "synthetic":
        arguments.dataset, arguments.preset = "synthetic", arguments.preset or "synthetic"
    arguments.dataset = arguments.dataset or "cifar10"
    arguments.preset = arguments.preset or "cifar10-small"
    return arguments


def changed(arguments: argparse.Namespace) -> dict[str, Any]:
    """The settings that were given."""
    given = {name: getattr(arguments, name, None) for name in _KINDS}
    return {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in given.items()
        if value is not None
    }


def read(arguments: argparse.Namespace, settings: Settings) -> ImageSplits:
    """The images, as the settings ask for them."""
    return load_images(
        arguments.dataset,
        arguments.data,
        size=settings.image_size,
        validation=settings.validation,
        limit=arguments.limit,
        cache=Path.home() / ".cache" / "equiform",
    )
