"""The stages by name, in their order, and the share of the time that each may take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from benchmarks.gpu import correct, crossovers, step, table, train, tune
from benchmarks.gpu.options import Options
from benchmarks.gpu.results import Results


class Stage(NamedTuple):
    """A stage.

    Attributes:
        run: does it, and writes results as they come.
        page: its record as a section of a page.
        share: of the time, relative to those of the other stages that are run.
    """

    run: Callable[[Results, Options], None]
    page: Callable[[dict[str, Any]], str]
    share: float


STAGES = {
    "correct": Stage(correct.run, correct.page, 5),
    "tune": Stage(tune.run, tune.page, 5),
    "table": Stage(table.run, table.page, 5),
    "crossovers": Stage(crossovers.run, crossovers.page, 1),
    "step": Stage(step.run, step.page, 4),
    "train": Stage(train.run, train.page, 12),
}
