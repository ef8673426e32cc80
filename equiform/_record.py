"""What the record of a run says beside its numbers: versions, and a table for the terminal."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version

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


def format_table(header: Sequence[str], rows: Iterable[Sequence[str | float]]) -> str:
    """A plain-text table: text to the left, numbers to the right with three significant digits."""
    cells = [[c if isinstance(c, str) else f"{c:.3g}" for c in row] for row in [header, *rows]]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in cells
    ]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])
