"""The comparison of encoders of protein chains: data, measurements, and the files it leaves."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from equiform.augment import reorient, rotate_chunks
from equiform.data import ProteinDataset, download_entries, entry_ids
from equiform.forms import EuclideanForm
from equiform.functional.bootstrap import NUM_REPLICATES, percentile_interval
from equiform.metrics import WahbaError, equivariance_metrics
from equiform.training.clouds import Clouds, principal_axes
from equiform.training.log import write_json
from equiform.training.plots import plot_axis_error, plot_trajectories
from equiform.training.probe import axis_errors, require_frozen
from equiform.training.trajectories import project_to_plane, trace, turns

NUM_SYNTHETIC = 1024
NUM_ROTATIONS = 20
NUM_POSES = 8  # in which the axis probe sees each chain
NUM_TRACED = 3  # chains whose trajectories are drawn


def load_chains(source: str, cache: Path) -> ProteinDataset:
    """Chains to learn from.

    Args:
        source: ``"synthetic"``; ``"rcsb"``, which downloads some 300 entries once; or the path of
            a PDB or mmCIF file, a folder or an archive.
        cache: folder for what is downloaded and parsed.

    Raises:
        DownloadError: the server of the PDB cannot be reached.
        FileNotFoundError: there is nothing at the path.
        StructureFormatError: an archive is damaged.
    """
    if source == "synthetic":
        # The settings of the examples were chosen on the chains of seed 0: these are new ones.
        return ProteinDataset.synthetic(NUM_SYNTHETIC, seed=1)
    if source == "rcsb":
        download_entries(entry_ids(), cache / "rcsb")
        return ProteinDataset.from_path(cache / "rcsb", cache=cache / "parsed")
    return ProteinDataset.from_path(source, cache=cache / "parsed")


@torch.no_grad()
def measure_rotations(
    encoder: nn.Module, train: ProteinDataset, test: ProteinDataset, *, seed: int
) -> dict[str, float]:
    """How a frozen encoder of chains behaves under rotations, on chains it was not trained on.

    The axis probe is fitted on ``train`` and measured on ``test``, in random poses. The metrics of
    equivariance compare ``test`` before and after each of 20 Haar-random rotations.

    Args:
        encoder: maps each batch that it is given to embeddings ``(num_clouds, d)``, and returns
            them in a tuple.
        train, test: chains.
        seed: of poses and rotations; encoders that are compared must share it.

    Returns:
        ``pc1_angle_deg_median`` with ``pc1_angle_deg_low`` and ``pc1_angle_deg_high``, its 95 %
        bootstrap interval over the test chains; ``pc1_mse``; those of
        :func:`equiform.metrics.equivariance_metrics`; and ``wahba_null``: what ``wahba`` is where
        there is no equivariance, since the pairs were shuffled.

    Raises:
        RuntimeError: the encoder is not in eval mode.
    """
    require_frozen(encoder)
    generator = torch.Generator().manual_seed(seed)

    def poses(chains: ProteinDataset) -> tuple[Tensor, Tensor]:
        whole = Clouds.of(chain["pos"] for chain in list(chains))
        posed = [reorient(whole, generator=generator) for _ in range(NUM_POSES)]
        # One at a time: the activations of all of them take gigabytes.
        z = torch.cat([encoder(batch)[0] for batch in posed])
        return z, torch.cat([principal_axes(batch) for batch in posed])

    angles, squares = axis_errors(*poses(train), *poses(test))
    low, high = _interval_of_median(angles.view(NUM_POSES, -1).mT)
    start = reorient(Clouds.of(chain["pos"] for chain in list(test)), generator=generator)
    (source,) = encoder(start)
    metrics = equivariance_metrics(source.shape[-1])
    null = WahbaError(EuclideanForm().isometry_group(source.shape[-1]))
    for _ in range(NUM_ROTATIONS):
        turned, _ = rotate_chunks(start, num_chunks=1, generator=generator)
        (target,) = encoder(turned)
        metrics.update(source, target)
        null.update(source, target[torch.randperm(len(target), generator=generator)])
    return {
        "pc1_angle_deg_median": angles.median().item(),
        "pc1_angle_deg_low": low,
        "pc1_angle_deg_high": high,
        "pc1_mse": squares.mean().item(),
        **{name: float(value) for name, value in metrics.compute().items()},
        "wahba_null": float(null.compute()),
    }


def _interval_of_median(angles: Tensor) -> tuple[float, float]:
    """95 % bootstrap interval of the median of ``(chains, poses)`` angles, the same each time."""
    chains = len(angles)
    generator = torch.Generator().manual_seed(0)
    # Chains are drawn, each with all its poses: the poses of a chain err alike.
    draws = torch.randint(chains, (NUM_REPLICATES, chains), generator=generator)
    low, high = percentile_interval(torch.stack([angles[draw].median() for draw in draws]), 0.95)
    return low.item(), high.item()


def trace_chains(encoder: nn.Module, chains: ProteinDataset) -> Tensor:
    """Planar trajectories of the first chains as each turns once about three axes.

    Returns:
        ``(chains, 3, angles, 2)``, each path projected to its own plane.
    """
    rotations = turns()
    traced = [trace(encoder, chain["pos"], rotations) for chain in list(chains)[:NUM_TRACED]]
    return torch.stack([torch.stack([project_to_plane(path) for path in z]) for z in traced])


def write_comparison(out: Path, record: Mapping[str, Any], paths: Mapping[str, Tensor]) -> None:
    """Write metrics.json, and as PNG and SVG the figures trajectories and pc1_error.

    Args:
        out: folder for the files.
        record: what metrics.json is to hold; ``record["methods"]`` has the scores by method, and
            ``record["chains"]`` the numbers of chains, those measured on last.
        paths: trajectories by method, of :func:`trace_chains`.
    """
    methods = record["methods"]
    *_, measured = record["chains"].values()
    write_json(out / "metrics.json", record)
    plot_trajectories(paths, out / "trajectories.png")
    ends = ("median", "low", "high")
    errors = {m: tuple(row[f"pc1_angle_deg_{end}"] for end in ends) for m, row in methods.items()}
    plot_axis_error(errors, measured, out / "pc1_error.png")
