"""Measure where moments overtake Gram tiles, and write it where the dispatch reads it.

    python -m benchmarks.crossovers [--write]

measures on the device at hand only, and replaces that device's entry.
"""

from __future__ import annotations

import argparse
import json

import torch

from benchmarks.gram_difference import make, step_of
from benchmarks.timing import median_ms
from equiform import EuclideanForm
from equiform.ops import gram_difference
from equiform.ops.gram_difference.dispatch import CROSSOVERS_FILE


def faster(n: int, d: int, device: str) -> str:
    """The faster route for one chunk of n points."""
    a, b = make(1, n, d, device)
    steps = {
        route: step_of(
            lambda x, y, route=route: gram_difference(x, y, EuclideanForm(), backend=route).sum(),
            a,
            b,
        )
        for route in ("gram", "moments")
    }
    ms = median_ms(steps, seconds=0.3, device=device)
    return min(ms, key=lambda route: ms[route])


def main() -> None:
    """Find the smallest n/d, and the smallest n, from which moments win and go on winning."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--write", action="store_true", help="update crossovers.json")
    arguments = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    ratios = [1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 6.0]
    found = []
    for d in (128, 256, 512):
        winners = {ratio: faster(int(ratio * d), d, device) for ratio in ratios}
        print(f"d = {d}: {winners}", flush=True)
        losing = [ratio for ratio, winner in winners.items() if winner == "gram"]
        found.append(next((r for r in ratios if r > max(losing, default=0)), ratios[-1]))
    sizes = [64, 128, 192, 256, 384, 512]
    winners = {n: faster(n, 16, device) for n in sizes}
    print(f"d = 16: {winners}", flush=True)
    losing = [n for n, winner in winners.items() if winner == "gram"]
    entry = {
        "moments_from_n_over_d": sorted(found)[len(found) // 2],
        "moments_from_n": next((n for n in sizes if n > max(losing, default=0)), sizes[-1]),
    }
    print(device, entry)
    if arguments.write:
        table = json.loads(CROSSOVERS_FILE.read_text()) | {device: entry}
        CROSSOVERS_FILE.write_text(json.dumps(table, indent=2) + "\n")


if __name__ == "__main__":
    main()
