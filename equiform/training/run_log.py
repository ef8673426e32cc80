"""Logs of a run, a row an epoch: a CSV file, and TensorBoard."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from equiform._extras import require

Row = dict[str, float]


def write_csv(path: str | os.PathLike[str], rows: Sequence[Row]) -> None:
    """Write rows as CSV, whole or not at all; a value that a row lacks is left empty.

    As a log of :func:`equiform.training.fit` it writes all rows each time, so that a resumed run
    leaves none twice.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = list(dict.fromkeys(name for row in rows for name in row))
    unfinished = path.with_name(f".{path.name}.tmp")
    with unfinished.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    os.replace(unfinished, path)


class TensorBoardLog:
    """Writes the last of the rows of a run for TensorBoard.

    What an interrupted run had written of later epochs is hidden.

    Args:
        folder: for the event files.

    Raises:
        ImportError: tensorboard is not installed.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        require("tensorboard", extra="examples")
        self.folder = folder
        self._writer: Any = None

    def __call__(self, rows: Sequence[Row]) -> None:
        """Write the last row, at the step ``row["epoch"]``."""
        row = rows[-1]
        step = int(row["epoch"])
        if self._writer is None:
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(os.fspath(self.folder), purge_step=step)
        for name, value in row.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()
