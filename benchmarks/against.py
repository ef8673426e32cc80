"""A forward pass of the pairwise loss on 16 chunks of 16, beside that of another revision.

    python -m benchmarks.against REVISION

Both checkouts take turns, a process each time, so that what else the machine does falls on both.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
TURNS = 9
#: What each process does: median microseconds of a forward pass, with and without a graph.
STEP = """
import statistics, time, torch
from equiform import PairwiseEquivarianceLoss
torch.manual_seed(0)
torch.set_num_threads(1)
loss = PairwiseEquivarianceLoss(num_chunks=16)
z = [torch.nn.functional.normalize(torch.randn(256, 128), dim=-1) for _ in range(2)]
for grad in (False, True):
    z = [x.detach().requires_grad_(grad) for x in z]
    seconds = []
    for _ in range(1500):
        start = time.perf_counter()
        loss(*z)
        seconds.append(time.perf_counter() - start)
    print(1e6 * statistics.median(seconds[300:]))
"""


def measure(checkout: Path) -> list[float]:
    """Microseconds of the step in a checkout."""
    environment = os.environ | {"PYTHONPATH": str(checkout)}
    command = [sys.executable, "-W", "ignore", "-c", STEP]
    done = subprocess.run(
        command, env=environment, cwd=checkout, capture_output=True, text=True, check=True
    )
    return [float(line) for line in done.stdout.split()]


def main(argv: Sequence[str] | None = None) -> None:
    """Print both and the ratio of their medians."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("revision", help="a commit, to compare the working tree with")
    revision = parser.parse_args(argv).revision
    with tempfile.TemporaryDirectory() as folder:
        other = Path(folder) / "checkout"
        git = ["git", "-C", str(ROOT), "worktree"]
        subprocess.run([*git, "add", "--detach", str(other), revision], check=True)
        try:
            turns = [(measure(ROOT), measure(other)) for _ in range(TURNS)]
        finally:
            subprocess.run([*git, "remove", "--force", str(other)], check=True)
    for i, what in enumerate(("without a graph", "with a graph")):
        here, there = ([turn[side][i] for turn in turns] for side in range(2))
        ratios = [a / b for a, b in zip(here, there, strict=True)]
        low, *_, high = sorted(ratios)
        print(
            f"{what}: {statistics.median(here):.1f} µs, {revision} {statistics.median(there):.1f} "
            f"µs, ratio {statistics.median(ratios):.3f} ({low:.3f} to {high:.3f}, {TURNS} turns)"
        )


if __name__ == "__main__":
    main()
