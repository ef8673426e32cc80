"""Logs of a run, a row an epoch: a CSV file, and TensorBoard."""

from __future__ import annotations

import csv
import io
import os
import reprlib
from collections.abc import Mapping, Sequence
from typing import Any

from equiform._extras import require
from equiform._files import write_text

Row = dict[str, float]


def write_csv(path: str | os.PathLike[str], rows: Sequence[Row]) -> None:
    """Write rows as CSV, whole or not at all; a value that a row lacks is left empty.

    As a log of :func:`equiform.training.fit` it writes all rows each time, so that a resumed run
    leaves none twice.
    """
    if not isinstance(rows, Sequence) or not all(isinstance(row, Mapping) for row in rows):
        raise TypeError(f"rows must be a list of dicts, got {reprlib.repr(rows)}")
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


class TensorBoardLog:
    """Writes the last of the rows of a run for TensorBoard, as event files of a folder.

    What an interrupted run had written of later epochs is hidden.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        if not isinstance(folder, str | os.PathLike):
            raise TypeError(f"folder must be a path, got {folder!r}")
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
