"""The record of a run: a JSON file of numbers and versions, and a table for the terminal."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("equiform", "torch", "geoopt", "torch-geometric", "torchmetrics", "gemmi")


def versions() -> dict[str, str]:
    """Versions of Python and of the installed packages that numbers may depend on."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def write_json(path: str | os.PathLike[str], record: Mapping[str, Any]) -> None:
    """Write a record as JSON, whole or not at all.

    Args:
        path: where to; its folder is created if absent.
        record: plain data.

    Raises:
        ValueError: a number is not finite, which JSON cannot say.
    """
    path = Path(path)
    text = json.dumps(record, indent=2, allow_nan=False, ensure_ascii=False) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.tmp")
    unfinished.write_text(text, encoding="utf-8")
    os.replace(unfinished, path)


def format_table(header: Sequence[str], rows: Iterable[Sequence[str | float]]) -> str:
    """A plain-text table: text to the left, numbers to the right with three significant digits."""
    cells = [[c if isinstance(c, str) else f"{c:.3g}" for c in row] for row in [header, *rows]]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in cells
    ]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])
