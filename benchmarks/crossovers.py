"""Measure where moments overtake Gram tiles, and write it where the dispatch reads it.

    python -m benchmarks.crossovers [--write]

measures on the device at hand only, and replaces that device's entry.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import torch

from benchmarks.gram_difference import make, step_of
from benchmarks.timing import median_ms
from equiform import EuclideanForm
from equiform.ops import gram_difference
from equiform.ops.gram_difference.routes import CROSSOVERS
from equiform.ops.tuned import device_name

RATIOS = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 6.0)
WIDTHS = (128, 256, 512)
SIZES = (64, 128, 192, 256, 384, 512)
NARROW = 16


def faster(n: int, d: int, device: str, seconds: float) -> str:
    """The faster route for one chunk of n points: of what a call takes where few points are."""
    a, b = make(1, n, d, device)
    steps = {
        route: step_of(
            lambda x, y, route=route: gram_difference(x, y, EuclideanForm(), backend=route).sum(),
            a,
            b,
        )
        for route in ("triton" if device == "cuda" else "gram", "moments")
    }
    ms = median_ms(steps, seconds=seconds, device=device)
    return min(ms, key=lambda route: ms[route])


def wins_from(winners: dict[float, str]) -> float:
    """The smallest size from which moments win and go on winning; the largest if they never do."""
    losing = [size for size, winner in winners.items() if winner != "moments"]
    return next((size for size in winners if size > max(losing, default=0)), max(winners))


def measure(
    device: str,
    *,
    widths: Sequence[int] = WIDTHS,
    ratios: Sequence[float] = RATIOS,
    sizes: Sequence[int] = SIZES,
    seconds: float = 0.3,
) -> dict[str, float]:
    """The entry of the device: the median over widths of n/d, and n for narrow embeddings."""
    found = []
    for d in widths:
        winners = {ratio: faster(int(ratio * d), d, device, seconds) for ratio in ratios}
        print(f"d = {d}: {winners}", flush=True)
        found.append(wins_from(winners))
    narrow = {float(n): faster(n, NARROW, device, seconds) for n in sizes}
    print(f"d = {NARROW}: {narrow}", flush=True)
    return {
        "moments_from_n_over_d": sorted(found)[len(found) // 2],
        "moments_from_n": int(wins_from(narrow)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--write", action="store_true", help="update crossovers.json")
    arguments = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    name = device_name(torch.device(device))
    entry = measure(device)
    print(name, entry)
    if arguments.write:
        CROSSOVERS.write(name, entry)


if __name__ == "__main__":
    main()
