"""Launch parameters of both ops under trial, and those that the tuning left."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch

from equiform.ops.gram_difference.triton.config import LAUNCH as GRAM_DIFFERENCE
from equiform.ops.info_nce.triton.config import LAUNCH as INFO_NCE
from equiform.ops.tuned import Launch, device_name

#: By op, where its launch parameters lie.
LAUNCH: dict[str, Launch[Any]] = {"gram_difference": GRAM_DIFFERENCE, "info_nce": INFO_NCE}


def current(op: str) -> dict[str, Any]:
    """The entry that holds on the first GPU, or would, as data."""
    table = json.loads(LAUNCH[op].file.read_text(encoding="utf-8"))
    name = device_name(torch.device("cuda")) if torch.cuda.is_available() else "cuda"
    return table.get(name, table["cuda"])


def with_changes(
    entry: dict[str, Any], dtype: str, widest: str, kernel: str, changes: dict[str, Any]
) -> dict[str, Any]:
    """An entry with some parameters of one kernel changed."""
    entry = copy.deepcopy(entry)
    entry[dtype][widest][kernel] |= changes
    return entry


@contextmanager
def with_precision(precision: str) -> Iterator[None]:
    """Products of float32 in the kernels of the Gram difference in another way."""
    entry = current("gram_difference")
    for kernels in entry["float32"].values():
        for kernel in ("small", "fused", "forward"):
            kernels[kernel]["input_precision"] = precision
    with GRAM_DIFFERENCE.using(entry):
        yield


@contextmanager
def tuned(out: Path, *, rehearsal: bool) -> Iterator[None]:
    """Within, the parameters that the tuning left in the folder, if it did; of its own kind."""
    path = out / "tune.json"
    record = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    launch = record.get("launch", {}) if record.get("rehearsal") == rehearsal else {}
    with ExitStack() as stack:
        for op, entry in launch.items():
            stack.enter_context(LAUNCH[op].using(entry))
        yield
