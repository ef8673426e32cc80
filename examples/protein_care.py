"""Learn how protein shapes turn: CARE against SimCLR, uniformity and invariance alone.

    python examples/protein_care.py                          # synthetic backbones, under 2 minutes
    python examples/protein_care.py --data rcsb              # downloads some 300 PDB entries
    python examples/protein_care.py --data pdb_calpha.tar.xz --out runs/pdb

The four methods train the same encoder on the same batches. Then, on test chains that share no
sequence cluster with those trained on, ask how well one orthogonal matrix explains each of 20
rotations (W_f, γ_b), and how well the frozen embedding tells the longest axis of the turned chain.
What was tried to choose the settings, and results on real chains: docs/results/proteins.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric.loader import DataLoader

from equiform import CARELoss, InfoNCELoss, InvarianceLoss, PairwiseEquivarianceLoss, UniformityLoss
from equiform.augment import CloudBatch, reorient, rotate_chunks, tilt
from equiform.data import ProteinDataset
from equiform.manifolds import Sphere
from equiform.nn import DeepSets, Whitening
from equiform.training import (
    CheckpointError,
    History,
    fit,
    format_table,
    versions,
)
from equiform.training.progress import say
from proteins import load_chains, measure_rotations, trace_chains, write_comparison
from score_columns import PROTEINS, are_best, digits, encodable, heading

METHODS = ("care", "simclr", "uniformity", "invariance")
CACHE = Path.home() / ".cache" / "equiform"
COLUMNS = (*PROTEINS, "seconds")
LEGEND = """
↓ lower is better, ↑ higher; * the best of a column, or what looks the same in three digits
axis error      angle between the longest axis of a turned chain and the one that a linear probe
                reads from its embedding, the median; a guess is 60° off
axis MSE        squared error of the probe's 3x3 matrix, of which that axis is the top eigenvector
W_f             relative error of one orthogonal matrix for a rotation, on chains that it was not
                fitted to; the mean of 20 rotations
W_f null        what W_f is where there is no equivariance: the chains are shuffled
γ_b             relative change of the products of pairs under a rotation
effective rank  number of directions that the embeddings use
uniformity      how much they crowd on the sphere; 1 where they are all alike
seconds         of training
A collapsed encoder, or one that ignores rotations, has a W_f and γ_b of 0 too. The first is seen by
its effective rank (1) and uniformity (1), the second by its axis error."""


@dataclass(frozen=True)
class Settings:
    """What was chosen on validation chains; docs/results/proteins.md says how."""

    hidden: int = 64
    dim: int = 16
    batch_size: int = 64
    num_chunks: int = 2  # 32 chains share a rotation
    learning_rate: float = 3e-3
    max_tilt: float = 20.0  # degrees between the views to be invariant to
    temperature: float = 1.0  # of InfoNCE, in CARE and in SimCLR: the best of either
    uniformity_temperature: float = 3.0
    weight: float = 100.0  # λ, on the scale of normalization="pairs"


class Encoder(nn.Module):
    """A Deep Set, whitened so that no method can collapse, with embeddings on the sphere."""

    def __init__(self, hidden: int, dim: int) -> None:
        super().__init__()
        self.deep_set = DeepSets(3, hidden, dim)
        self.whitening = Whitening(dim)

    def forward(self, *views: CloudBatch) -> tuple[Tensor, ...]:
        """Embed views of one batch, each ``(num_clouds, dim)``, whitened together."""
        encoded = torch.cat([self.deep_set(view.pos, ptr=view.ptr) for view in views])
        return Sphere().project(self.whitening(encoded)).chunk(len(views))


def objectives(
    encoder: Encoder, settings: Settings, generator: torch.Generator
) -> dict[str, Callable[[CloudBatch], Tensor]]:
    """For each method the loss of a batch."""
    info_nce = InfoNCELoss(settings.temperature)
    equivariance = PairwiseEquivarianceLoss(num_chunks=settings.num_chunks)
    care_loss = CARELoss(info_nce, equivariance, weight=settings.weight)

    def two_views(batch: CloudBatch) -> tuple[CloudBatch, CloudBatch]:
        posed = reorient(batch, generator=generator)
        return posed, tilt(posed, settings.max_tilt, generator=generator)

    def care(batch: CloudBatch) -> Tensor:
        posed, tilted = two_views(batch)
        turned, _ = rotate_chunks(posed, settings.num_chunks, generator=generator)
        z, z_tilted, z_turned = encoder(posed, tilted, turned)
        return care_loss(z, z_tilted, z, z_turned).total

    def of_two_views(loss: nn.Module) -> Callable[[CloudBatch], Tensor]:
        return lambda batch: loss(*encoder(*two_views(batch)))

    return {
        "care": care,
        "simclr": of_two_views(info_nce),
        "uniformity": of_two_views(UniformityLoss(settings.uniformity_temperature)),
        "invariance": of_two_views(InvarianceLoss()),
    }


def train_method(
    method: str, chains: ProteinDataset, settings: Settings, arguments: argparse.Namespace
) -> tuple[Encoder, History]:
    """Train a fresh encoder, or go on with the one of a checkpoint."""
    torch.manual_seed(arguments.seed)
    generator = torch.Generator().manual_seed(arguments.seed)
    encoder = Encoder(settings.hidden, settings.dim)
    batches = DataLoader(
        chains,
        batch_size=settings.batch_size,
        shuffle=True,
        drop_last=True,
        generator=generator,
    )
    optimizer = torch.optim.Adam(encoder.parameters(), lr=settings.learning_rate)
    steps = max(1, arguments.epochs * len(batches))
    history = fit(
        encoder,
        objectives(encoder, settings, generator)[method],
        batches,
        optimizer,
        epochs=arguments.epochs,
        scheduler=torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps),
        generators=[generator],
        checkpoint=arguments.out / "checkpoints" / f"{method}.pt",
        resume=arguments.resume,
        configuration=configuration(settings, arguments) | {"chains": len(chains)},
        description=method,
    )
    return encoder, history


def configuration(settings: Settings, arguments: argparse.Namespace) -> dict[str, Any]:
    """What decides the result, for the record and for resumption."""
    return asdict(settings) | {
        "data": arguments.data,
        "epochs": arguments.epochs,
        "seed": arguments.seed,
    }


def compare(settings: Settings, arguments: argparse.Namespace) -> dict[str, Any]:
    """Train and measure all methods, write the results, and return them."""
    say(f"reading chains: {arguments.data}")
    chains = load_chains(arguments.data, CACHE)
    # The same for every --seed, so that no run tests on chains that settings were chosen on.
    train, validation, test = chains.split_by_cluster([0.7, 0.15, 0.15])
    measured = validation if arguments.split == "validation" else test
    say(f"{len(train)} chains to train on, {len(measured)} to measure on")
    scores: dict[str, dict[str, float]] = {}
    paths: dict[str, Tensor] = {}
    for method in arguments.methods:
        encoder, history = train_method(method, train, settings, arguments)
        say(f"{method}: measuring")
        rotations = measure_rotations(encoder, train, measured, seed=arguments.seed)
        scores[method] = {**rotations, "seconds": history.seconds}
        paths[method] = trace_chains(encoder, measured)
    record = {
        "methods": scores,
        "data": arguments.data,
        "chains": {"train": len(train), arguments.split: len(measured)},
        "seed": arguments.seed,
        "configuration": configuration(settings, arguments),
        "versions": versions(),
    }
    say("drawing")
    write_comparison(arguments.out, record, paths)
    return record


def table(record: dict[str, Any]) -> str:
    """The scores of all methods, what they mean, and what they were measured on."""
    methods = record["methods"]
    cells = [list(methods)]
    for key in COLUMNS:
        values = [scores[key] for scores in methods.values()]
        best = are_best(key, values)
        marks = [("*" if mark else " ") if any(best) else "" for mark in best]
        cells.append([digits(value) + mark for value, mark in zip(values, marks, strict=True)])
    header = [heading(key, record["configuration"]["dim"]) for key in COLUMNS]
    (_, trained), (split, measured) = record["chains"].items()
    about = (
        f"Measured on {measured} {split} chains ({record['data']}), of other sequence clusters "
        f"than the {trained} trained on; seed {record['seed']}."
    )
    rows = zip(*cells, strict=True)
    return "\n".join([format_table(["method", *header], rows), LEGEND, about])


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    add = parser.add_argument
    add(
        "--data",
        default="synthetic",
        help="synthetic, rcsb, or a PDB/mmCIF file, folder or archive",
    )
    add(
        "--methods",
        nargs="+",
        choices=METHODS,
        default=METHODS,
        metavar="METHOD",
        help=", ".join(METHODS),
    )
    add("--epochs", type=int, default=80)
    add("--seed", type=int, default=0)
    add("--split", choices=("validation", "test"), default="test", help="chains to measure on")
    add("--out", type=Path, default=Path("runs/protein_care"), help="folder for results")
    add("--resume", action="store_true", help="go on from the checkpoints in --out")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None, settings: Settings | None = None) -> int:
    """Run the comparison from the command line."""
    arguments = parse_arguments(argv)
    try:
        record = compare(settings or Settings(), arguments)
    except (CheckpointError, FloatingPointError, ImportError, OSError, ValueError) as error:
        print(f"protein_care: error: {error}", file=sys.stderr)
        return 2
    figures = "trajectories and pc1_error, .png and .svg"
    written = f"Written to {arguments.out}: metrics.json; {figures}"
    print(encodable(f"{table(record)}\n{written}", sys.stdout.encoding))
    return 0


if __name__ == "__main__":
    sys.exit(main())
