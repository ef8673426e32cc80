"""Which changes of a protein does an encoder represent, and which does it ignore?

    python examples/protein_care.py --out runs/demo
    python examples/protein_report.py --checkpoint runs/demo/checkpoints/care.pt
    python examples/protein_report.py                    # the same encoder, not trained

Prints the equivariance report of the encoder on test chains, and writes it as a page to read.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch_geometric.data import Data

from equiform import SpecialOrthogonal, report
from equiform.augment import CloudBatch
from equiform.manifolds import Sphere
from equiform.training import CheckpointError, load_checkpoint
from protein_care import CACHE, Encoder, Settings
from proteins import collate, load_chains

Change = Callable[[CloudBatch], CloudBatch]


def each(function: Callable[[torch.Tensor], torch.Tensor]) -> Change:
    """The change of every cloud by one function."""

    def change(batch: CloudBatch) -> CloudBatch:
        clouds = batch.pos.split(batch.ptr.diff().tolist())
        return collate(Data(pos=function(cloud)) for cloud in clouds)

    return change


def linear(matrix: torch.Tensor) -> Change:
    """The change of all points by one matrix."""
    return each(lambda cloud: cloud @ matrix.mT)


def shaken(cloud: torch.Tensor) -> torch.Tensor:
    """With noise of a twentieth of the radius of gyration, the same each time."""
    noise = torch.randn(cloud.shape, generator=torch.Generator().manual_seed(len(cloud)))
    return cloud + 0.05 * noise  # clouds have radius 1


def thinned(cloud: torch.Tensor) -> torch.Tensor:
    """Every second residue, centred."""
    return cloud[::2] - cloud[::2].mean(0)


def changes() -> dict[str, Change]:
    """What to ask about."""
    axis = torch.tensor([1.0, 2.0, 3.0])
    skew = torch.linalg.cross((axis / axis.norm()).expand(3, 3), torch.eye(3)).mT
    angles = torch.tensor([10.0, 45.0, 90.0]).deg2rad()
    turn = SpecialOrthogonal(3).exp(angles[:, None, None] * skew)
    return {
        "turn by 10°": linear(turn[0]),
        "turn by 45°": linear(turn[1]),
        "turn by 90°": linear(turn[2]),
        "mirror image": linear(torch.diag(torch.tensor([1.0, 1.0, -1.0]))),
        "stretch x by a half": linear(torch.diag(torch.tensor([1.5, 1.0, 1.0]))),
        "swell by a tenth": linear(1.1 * torch.eye(3)),
        "shake by a twentieth": each(shaken),
        "every second residue": each(thinned),
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Report from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", default="synthetic", help="as in protein_care.py")
    parser.add_argument("--checkpoint", type=Path, help="of protein_care.py; none: not trained")
    parser.add_argument("--out", type=Path, default=Path("runs/protein_report"))
    arguments = parser.parse_args(argv)
    torch.manual_seed(0)
    try:
        chains = load_chains(arguments.data, CACHE)
        train, _, test = chains.split_by_cluster([0.7, 0.15, 0.15])
        if arguments.checkpoint:
            state = load_checkpoint(arguments.checkpoint)
            encoder = Encoder(state["configuration"]["hidden"], state["configuration"]["dim"])
            encoder.load_state_dict(state["module"])
        else:
            encoder = Encoder(Settings.hidden, Settings.dim)
            # The whitening of an encoder that is not trained has to see some chains at least.
            encoder(collate(train))
    except (CheckpointError, OSError, ValueError) as error:
        print(f"protein_report: error: {error}", file=sys.stderr)
        return 2
    encoder.eval()
    result = report(
        lambda batch: encoder(batch)[0],
        test,
        changes(),
        manifold=Sphere(),
        collate=collate,
        out=arguments.out,
    )
    print(result)
    print(f"Written to {arguments.out}: index.html, its figures, metrics.json")
    return 0


if __name__ == "__main__":
    sys.exit(main())
