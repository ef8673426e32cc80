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
from protein_care import CACHE, Encoder, Settings

from equiform import SpecialOrthogonal, report
from equiform.manifolds import Sphere
from equiform.training import CheckpointError, Clouds, load_chains, load_checkpoint

Change = Callable[[Clouds], Clouds]


def linear(matrix: torch.Tensor) -> Change:
    """The change of all points by one matrix."""
    return lambda batch: Clouds(batch.pos @ matrix.mT, batch.ptr)


def shaken(scale: float) -> Change:
    """Fixed noise: the same for the i-th point of every batch."""

    def change(batch: Clouds) -> Clouds:
        noise = torch.randn(batch.pos.shape, generator=torch.Generator().manual_seed(0))
        return Clouds(batch.pos + scale * noise, batch.ptr)

    return change


def without_every_second(batch: Clouds) -> Clouds:
    """Half of the residues, evenly."""
    clouds = [batch.pos[a:b:2] for a, b in zip(batch.ptr[:-1], batch.ptr[1:], strict=True)]
    return Clouds.of(cloud - cloud.mean(0) for cloud in clouds)


def changes() -> dict[str, Change]:
    """What to ask about."""
    axis = torch.tensor([1.0, 2.0, 3.0])
    skew = torch.linalg.cross((axis / axis.norm()).expand(3, 3), torch.eye(3)).mT
    turn = SpecialOrthogonal(3).exp(torch.tensor([10.0, 45.0, 90.0]).deg2rad()[:, None, None] * skew)
    return {
        "turn by 10°": linear(turn[0]),
        "turn by 45°": linear(turn[1]),
        "turn by 90°": linear(turn[2]),
        "mirror image": linear(torch.diag(torch.tensor([1.0, 1.0, -1.0]))),
        "stretch x by a half": linear(torch.diag(torch.tensor([1.5, 1.0, 1.0]))),
        "swell by a tenth": linear(1.1 * torch.eye(3)),
        "shake by 1 Å": shaken(1.0),
        "every second residue": without_every_second,
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Report from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", default="synthetic", help="as in protein_care.py")
    parser.add_argument("--checkpoint", type=Path, help="of protein_care.py; none: not trained")
    parser.add_argument("--out", type=Path, default=Path("runs/protein_report"))
    arguments = parser.parse_args(argv)
    torch.manual_seed(0)
    encoder = Encoder(Settings.hidden, Settings.dim)
    try:
        chains = load_chains(arguments.data, CACHE)
        train, _, test = chains.split_by_cluster([0.7, 0.15, 0.15])
        if arguments.checkpoint:
            encoder.load_state_dict(load_checkpoint(arguments.checkpoint)["module"])
        else:
            # The whitening of an encoder that is not trained has to see some chains at least.
            encoder(Clouds.of(chain["pos"] for chain in list(train)))
    except (CheckpointError, OSError, ValueError) as error:
        print(f"protein_report: error: {error}", file=sys.stderr)
        return 2
    result = report(
        lambda batch: encoder(batch)[0],
        [chain["pos"] for chain in list(test)],
        changes(),
        manifold=Sphere(),
        collate=Clouds.of,
        out=arguments.out,
    )
    print(result)
    print(f"Written to {arguments.out}: index.html, metrics.json")
    return 0


if __name__ == "__main__":
    sys.exit(main())
