"""Whether a mirror image finds its way to a rotation: the Gram loss alone, and with orientation.

    python -m benchmarks.orientation [--markdown FILE]

B is a cloud of 20 points, uniform on the unit sphere of space. A starts as a mirror image of it,
B T^t with T Haar on O(3) and det T = -1, plus noise of 0.01, and its coordinates are the free
parameters, not held to the sphere: Adam minimises the pairwise loss plus an orientation term. A
seed counts where the run ends at a rotation: the relative misfit of the best one below 1e-2, with
the pairwise loss below 1e-6.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from equiform import EuclideanForm, SpecialOrthogonal
from equiform.functional import (
    orientation_determinant,
    orientation_gap,
    pairwise_equivariance,
)

SEEDS = 15
POINTS = 20
DIMENSION = 3
NOISE = 0.01
STEPS = 3000
LEARNING_RATE = 0.01
WEIGHT = 1.0
#: Largest relative misfit of a rotation, and largest pairwise loss, of a run that counts.
MISFIT, GRAM = 1e-2, 1e-6
#: Each run's name, its orientation term, and how many seeds the term is to bring to a rotation.
RUNS: list[tuple[str, Callable[[Tensor, Tensor], Tensor] | None, str]] = [
    ("Gram loss alone", None, "0"),
    ("with L_σ (orientation_gap)", orientation_gap, "15"),
    ("with L_or (orientation_determinant)", orientation_determinant, "≥ 13"),
]


def clouds() -> tuple[Tensor, Tensor]:
    """Of all seeds, B and the mirror image from which A starts, ``(SEEDS, POINTS, DIMENSION)``."""
    pairs = []
    for seed in range(SEEDS):
        generator = torch.Generator().manual_seed(seed)
        b, noise = torch.randn(2, POINTS, DIMENSION, generator=generator)
        t = EuclideanForm().isometry_group(DIMENSION).sample(component=[-1], generator=generator)
        b = torch.nn.functional.normalize(b, dim=-1)
        pairs.append((b, b @ t.mT + NOISE * noise))
    b, a = zip(*pairs, strict=True)
    return torch.stack(b), torch.stack(a)


def minimise(term: Callable[[Tensor, Tensor], Tensor] | None) -> tuple[Tensor, Tensor]:
    """For each seed the misfit of the best rotation and the pairwise loss, after all steps."""
    b, a = clouds()
    a.requires_grad_()
    # Seeds are chunks; their losses are summed and Adam is coordinatewise, so each runs on its own.
    optimiser = torch.optim.Adam([a], lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, STEPS)
    for _ in range(STEPS):
        loss = pairwise_equivariance(b, a, reduction="sum")
        if term is not None:
            loss = loss + WEIGHT * term(b, a).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    a = a.detach()
    misfit = SpecialOrthogonal(DIMENSION).recover(b, a).residual
    return misfit, pairwise_equivariance(b, a, reduction="none")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--markdown", type=Path, help="also write the table to this file")
    lines = [
        f"Mirror images of {POINTS} unit vectors in R^{DIMENSION}, {SEEDS} seeds, weight {WEIGHT}",
        "",
        "| loss | rotations | target | median misfit | largest misfit | largest Gram loss |",
        "|---|---|---|---|---|---|",
    ]
    args = parser.parse_args()
    for name, term, target in RUNS:
        misfit, gram = minimise(term)
        reached = int(((misfit < MISFIT) & (gram < GRAM)).sum())
        lines.append(
            f"| {name} | {reached}/{SEEDS} | {target} | {float(misfit.median()):.1e} "
            f"| {float(misfit.max()):.1e} | {float(gram.max()):.1e} |"
        )
    table = "\n".join(lines)
    print(table)
    if args.markdown is not None:
        args.markdown.write_text(table + "\n")


if __name__ == "__main__":
    main()
