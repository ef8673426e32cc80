"""What every stage is told."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class Options(NamedTuple):
    """The settings of a run.

    Attributes:
        device: ``cuda``, or ``cpu`` in a rehearsal.
        rehearse: tiny sizes, to run all that a CPU can.
        out: folder of the results.
        data: folder of CIFAR-10; synthetic images where None.
    """

    device: str
    rehearse: bool
    out: Path
    data: Path | None
