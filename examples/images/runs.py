"""Runs on images that are found in a folder, or trained into it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import torch

from equiform.training import load_checkpoint
from images.data import ImageSplits
from images.encoder import ImageEncoder
from images.settings import Settings
from images.train import load_run, train_images

#: How settings begin that change what is measured of a run and not what is trained.
_OF_MEASUREMENT = ("measure", "probe_")


class Run(NamedTuple):
    """A trained encoder.

    Attributes:
        encoder: in eval mode.
        settings: of its training, with what is to be measured of it.
        seed: of its training.
        folder: where it is kept.
        rows: of its log, one an epoch.
    """

    encoder: ImageEncoder
    settings: Settings
    seed: int
    folder: Path
    rows: list[dict[str, float]]

    def series(self, name: str) -> tuple[list[float], list[float]]:
        """Epochs and values of a column of the log; empty where it does not have one."""
        rows = [row for row in self.rows if name in row]
        return [row["epoch"] for row in rows], [row[name] for row in rows]


@dataclass(frozen=True)
class Runs:
    """Runs on one data set: those that are in a folder, and others that are trained into it.

    A run is taken for what is asked if its settings, its seed and the mean and standard deviation
    of its training images are the same, and it was watched at least as often. One that was
    interrupted goes on.

    Args:
        root: folder of the folders of runs, such as ``--out`` of ``examples/cifar_care.py``.
        splits: images.
        data: their name, kept with the checkpoint.
        device: for training and measuring.
    """

    root: Path
    splits: ImageSplits
    data: str
    device: torch.device | str = "cpu"

    def get(self, settings: Settings, seed: int = 0) -> Run:
        """The run of these settings, trained now if it is not there."""
        plain = settings.plain()
        digest = hashlib.sha256(json.dumps([plain, seed, self._mean_std]).encode()).hexdigest()
        folder = self.root / f"{settings.method}-{digest[:12]}"
        if not (folder / "encoder.pt").exists():
            found = [other for other, run in self._there.items() if self._serves(run, plain, seed)]
            if found:
                folder = found[0]
            else:
                train_images(
                    settings,
                    self.splits,
                    folder,
                    seed=seed,
                    device=self.device,
                    resume=True,
                    data=self.data,
                )
        encoder, _ = load_run(folder)
        rows = load_checkpoint(folder / "checkpoint.pt")["rows"]
        return Run(encoder.to(self.device), settings, seed, folder, rows)

    def _serves(self, run: dict[str, Any], wanted: dict[str, Any], seed: int) -> bool:
        there = run["settings"]
        return (
            _of_training(there) == _of_training(wanted)
            and there["measure_every"] <= wanted["measure_every"]
            and run["seed"] == seed
            and run["mean_std"] == self._mean_std
        )

    @cached_property
    def _there(self) -> dict[Path, dict[str, Any]]:
        """By folder, what the runs are that were there before any was asked for."""
        runs = {}
        for file in sorted(self.root.glob("**/encoder.pt")):
            if file.with_name("checkpoint.pt").exists():
                state = load_checkpoint(file)
                encoder = state.pop("encoder")
                state["mean_std"] = [encoder[name].flatten().tolist() for name in ("mean", "std")]
                runs[file.parent] = state
        return runs

    @cached_property
    def _mean_std(self) -> list[list[float]]:
        return [values.tolist() for values in self.splits.unlabelled.mean_std()]


def _of_training(plain: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in plain.items() if not name.startswith(_OF_MEASUREMENT)}
