"""Stage 4: where moments overtake the fused tiles on this device."""

from __future__ import annotations

from typing import Any

from benchmarks import crossovers
from benchmarks.gpu.options import Options
from benchmarks.gpu.results import Results


def run(results: Results, options: Options) -> None:
    """The entry of the device, a row."""
    rehearsed: dict[str, Any] = {"widths": (8,), "ratios": (1.0, 4.0), "sizes": (64,)}
    entry = crossovers.measure(
        options.device,
        seconds=0.01 if options.rehearse else 0.1,
        **(rehearsed if options.rehearse else {}),
    )
    results.add(**entry)
    results.finish()


def page(record: dict[str, Any]) -> str:
    """The entry, in words."""
    (entry,) = record["rows"]
    return (
        "### Crossover\n\nMoments are taken from n = "
        f"{entry['moments_from_n_over_d']:g} d on, and from n = {entry['moments_from_n']:g} on."
    )
