"""Stage 6: ResNet-18 on CIFAR-10 for the minutes that are left: SimCLR and CARE, equal budgets.

Equal in epochs, and SimCLR once more for as long as CARE took, since CARE embeds twice the views.
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.gpu.options import Options
from benchmarks.gpu.results import Results

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "examples" / "cifar_care.py"
METHODS = ("simclr", "care-simclr")
#: Batches four times those of the preset, in chunks of as many images: a GPU of this size waits for
#: launches otherwise.
PRESET = ["--dataset", "cifar10", "--preset", "cifar10-resnet18"]
PRESET += ["--batch-size", "1024", "--num-chunks", "64"]
REHEARSED = ["--limit", "256", "--width", "4", "--head", "16", "4", "--measured-images", "64"]
#: Images that the pace is measured on, and those of a run, by the preset's split.
PACE_IMAGES, ALL_IMAGES = 10_000, 50_000
#: The part of what is left that is planned for training, and the most epochs that it may make.
PLANNED, MOST_EPOCHS = 0.85, 200
COLUMNS = {
    "probe ↑": "probe_top1",
    "kNN ↑": "knn",
    "W_f ↓": "wahba",
    "null": "wahba_null",
    "γ_b ↓": "gamma_b",
    "effective rank ↑": "effective_rank",
    "uniformity ↓": "uniformity",
}


def run(results: Results, options: Options) -> None:
    """Measure the pace, plan the epochs, and train."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        results.put(data="coloured shapes" if options.data is None else " ".join(PRESET))
        pace = ["--epochs", "2", "--limit", str(PACE_IMAGES), "--measured-images", "500"]
        left = results.left()
        train(folder / "pace", [*METHODS], pace, results, options)
        seconds = {method: _epoch_seconds(folder / "pace" / method) for method in METHODS}
        if None in seconds.values():
            return
        simclr, care = (
            float(s) * (1 if options.data is None else ALL_IMAGES / PACE_IMAGES)
            for s in seconds.values()
            if s is not None
        )
        trained = sum(float(s["seconds"]) for s in results.record["runs"]["pace"].values())
        # What is no training: start, data, probe, neighbours, transformations.
        overhead = (left - results.left() - trained) / len(METHODS)
        budget = PLANNED * (results.left() - (len(METHODS) + 1) * overhead)
        epochs = int(min(MOST_EPOCHS, max(1, budget / (simclr + 2 * care))))
        longer = max(epochs, round(epochs * care / simclr))
        if options.rehearse:
            epochs, longer = 1, 2
        results.put(planned={"epochs": epochs, "simclr_as_long": longer}, epoch_seconds=seconds)
        results.put(overhead_seconds=round(overhead, 1))
        both = train(
            folder / "equal epochs", [*METHODS], ["--epochs", str(epochs)], results, options
        )
        alone = train(
            folder / "equal time", ["simclr"], ["--epochs", str(longer)], results, options
        )
        if both and alone:
            results.finish()


def train(
    folder: Path, methods: list[str], arguments: list[str], results: Results, options: Options
) -> bool:
    """One call of the script; what a method gave is in the results as soon as it is there.

    Returns:
        Whether all methods came to their end.
    """
    if options.data is None:
        source = ["--data", "synthetic", *(REHEARSED if options.rehearse else [])]
    else:
        source = ["--data", str(options.data), *PRESET]
    if options.rehearse:  # not the pace's own limit, which is above the rehearsal's
        arguments = arguments[:2]
    command = [sys.executable, str(SCRIPT), *source, *arguments, "--methods", *methods]
    command += ["--out", str(folder), "--device", options.device]
    # A checkout need not be installed.
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    process = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": path})
    try:
        while process.poll() is None and results.left() > 0:
            time.sleep(0.5)
            _gather(folder, results)
    finally:
        process.kill()
        process.wait()
    _gather(folder, results)
    return methods == list(results.record.get("runs", {}).get(folder.name, {}))


def _gather(folder: Path, results: Results) -> None:
    path = folder / "metrics.json"
    runs = dict(results.record.get("runs", {}))
    if path.exists():
        found = json.loads(path.read_text(encoding="utf-8"))["methods"]
        if runs.get(folder.name) != found:
            results.put(runs=runs | {folder.name: found})


def _epoch_seconds(folder: Path) -> float | None:
    """Seconds of the last epoch, without those that the first one takes to warm up."""
    path = folder / "log.csv"
    if not path.exists():
        return None
    with path.open(encoding="utf-8") as stream:
        ends = [float(row["seconds"]) for row in csv.DictReader(stream)]
    return ends[-1] - ends[-2] if len(ends) > 1 else None


def page(record: dict[str, Any]) -> str:
    """A row a run."""
    lines = [
        "### Training on a GPU",
        "",
        f"`examples/cifar_care.py`, {record['data']}, one seed, test images; W_f over 20 "
        "augmentations, each fitted on half of the measured images and measured on the other.",
        "",
        f"| budget | method | epochs | seconds | {' | '.join(COLUMNS)} |",
        "|---" * (4 + len(COLUMNS)) + "|",
    ]
    for budget, methods in record.get("runs", {}).items():
        if budget == "pace":
            continue
        for method, scores in methods.items():
            cells = [f"{float(scores[key]):.3g}" for key in COLUMNS.values()]
            lines.append(
                f"| {budget} | {method} | {scores['settings']['epochs']} "
                f"| {scores['seconds']:.0f} | {' | '.join(cells)} |"
            )
    return "\n".join(lines)
