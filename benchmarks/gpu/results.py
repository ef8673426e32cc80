"""What a stage leaves behind: one JSON file, whole at every moment."""

from __future__ import annotations

import json
import math
import os
import platform
import time
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from benchmarks.timing import processor
from equiform.training import write_json


class Results:
    """The record of a stage, written anew whenever something is added, and its time box.

    Args:
        out: folder of the results.
        stage: name of the stage, and of its file.
        seconds: its time box.
        rehearsal: whether it runs at tiny sizes on the CPU; such results are no measurements.
    """

    def __init__(self, out: Path, stage: str, *, seconds: float, rehearsal: bool) -> None:
        self.path = out / f"{stage}.json"
        self._start = time.monotonic()
        self._box = seconds
        self.record: dict[str, Any] = {
            "stage": stage,
            "complete": False,
            "rehearsal": rehearsal,
            "machine": machine(),
            "seconds": 0.0,
            "rows": [],
        }
        self.put()

    def left(self) -> float:
        """Seconds that are left of the time box."""
        return self._box - (time.monotonic() - self._start)

    def add(self, **row: Any) -> None:
        """A row more."""
        self.record["rows"].append(row)
        self.put()

    def put(self, **values: Any) -> None:
        """Values beside the rows."""
        self.record |= values
        self.record["seconds"] = round(time.monotonic() - self._start, 1)
        write_json(self.path, _plain(self.record))

    def finish(self) -> None:
        """The stage has done all it had to."""
        self.put(complete=True)


def read(out: Path) -> dict[str, dict[str, Any]]:
    """The records in a folder, by stage."""
    records = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(out.glob("*.json"))]
    return {record["stage"]: record for record in records if "stage" in record}


def machine() -> dict[str, Any]:
    """What the numbers of this process were measured on."""
    found: dict[str, Any] = {"device": "cpu", "processor": processor(), "cores": os.cpu_count()}
    if torch.cuda.is_available():
        properties = torch.cuda.get_device_properties(0)
        found |= {
            "device": properties.name,
            "memory_gb": round(properties.total_memory / 2**30, 1),
            "multiprocessors": properties.multi_processor_count,
            "capability": ".".join(map(str, torch.cuda.get_device_capability())),
            "cuda": torch.version.cuda,
        }
    found |= {"python": platform.python_version(), "torch": torch.__version__}
    try:
        found["triton"] = version("triton")
    except PackageNotFoundError:
        found["triton"] = "none"
    return found


def _plain(value: Any) -> Any:
    """Plain data, with what JSON has no number for as text."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
