"""How often the best isometry is found from noisy points, and how long it takes.

    python -m benchmarks.recovery                    # docs/results/recovery.md, some ten minutes
    python -m benchmarks.recovery --dims 64          # half an hour

A trial draws n = 2d Gaussian points B, an isometry T of a given rapidity, and A = B Tᵗ plus noise
of a given size relative to the root mean square of B Tᵗ. A method succeeds where it returns a
member of the group whose misfit is within 0.1 % of the best that anything here finds: the methods
below, and descent from the true T and from its reflections into every other component.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from equiform import IndefiniteForm, MinkowskiForm, Moments, SymplecticForm
from equiform.forms import BilinearForm
from equiform.groups import NoncompactGroup
from equiform.groups.fit.descent import descend
from equiform.groups.fit.polar import newton_polar
from equiform.groups.fit.starts import balance, cartan, nearest_compact

FAMILIES: dict[str, Callable[[int], BilinearForm]] = {
    "O(1, d-1)": lambda d: MinkowskiForm(),
    "O(d/2, d/2)": lambda d: IndefiniteForm(d // 2, d // 2),
    "Sp(d)": lambda d: SymplecticForm(),
}
#: Success by descent from each start, and from the best of the three, that the design gives.
GIVEN = {
    "O(1, d-1)": (".87-.93 (.48)", ".99 (.85)", ".99-1.0 (.92)", ".999-1.0 (.98)", ""),
    "O(d/2, d/2)": (".82-.84 (.03)", ".89-.97 (.03)", ".93-.97 (.00)", ".991-.998 (.87)", ""),
    "Sp(d)": (".82-.84 (.00)", ".88-.98 (.00)", ".94-.97 (.10)", "1.000 (1.0)", ""),
}
SINGLE = ("polar", "balanced", "cartan")
METHODS = (*SINGLE, "multi", "recover")


def trials(
    form: BilinearForm, d: int, noise: float, rapidity: float, count: int, seed: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Points B and A and the true T of ``count`` trials."""
    generator = torch.Generator().manual_seed(seed)
    draw = {"generator": generator, "dtype": torch.float64}
    t = form.isometry_group(d).sample(count, rapidity=rapidity, **draw)
    b = torch.randn(count, 2 * d, d, **draw)
    a = b @ t.mT
    scale = noise * a.square().mean((-2, -1), keepdim=True).sqrt()
    return b, a + scale * torch.randn(count, 2 * d, d, **draw), t


def starts(form: BilinearForm, moments: Moments) -> dict[str, Tensor]:
    """The three starts of the multi-start method, in row action; the identity where one fails."""
    p, n, q = moments.source, moments.cross, moments.target
    d = moments.dim
    estimate = torch.linalg.solve(p, n)
    h_b, h_a = balance(form, p), balance(form, q)
    witt_index = (d - int(form.matrix(d).trace().abs())) // 2
    found = {
        "polar": newton_polar(form, estimate),
        "balanced": h_b @ nearest_compact(form, h_b @ n @ h_a) @ form.adjoint(h_a),
        "cartan": cartan(form, estimate, witt_index),
    }
    group = form.isometry_group(d)
    eye = torch.eye(d, dtype=p.dtype)
    inside = {name: group.residual(g.mT) < 1e-9 for name, g in found.items()}
    return {name: g.where(inside[name][:, None, None], eye) for name, g in found.items()}


def configuration(
    family: str, d: int, noise: float, rapidity: float, count: int, seed: int
) -> dict[str, Any]:
    """Success and milliseconds of every method on one configuration."""
    form = FAMILIES[family](d)
    group = form.isometry_group(d)
    assert isinstance(group, NoncompactGroup)
    b, a, t = trials(form, d, noise, rapidity, count, seed)
    moments = Moments.of(b, a)
    errors, milliseconds = {}, {}
    for name, start in starts(form, moments).items():
        began = time.perf_counter()
        g, value = descend(form, moments, start, steps=200)
        milliseconds[name] = 1e3 * (time.perf_counter() - began) / count
        inside = group.residual(g.mT) < 1e-9
        errors[name] = torch.where(inside, value, torch.inf)
    errors["multi"] = torch.stack([errors[name] for name in SINGLE]).amin(0)
    milliseconds["multi"] = sum(milliseconds.values())
    began = time.perf_counter()
    fit = group.recover(b, a)
    milliseconds["recover"] = 1e3 * (time.perf_counter() - began) / count
    inside = group.contains(fit.matrix)
    errors["recover"] = torch.where(inside, moments.misfit(fit.matrix.mT), torch.inf)
    began = time.perf_counter()
    for i in range(min(10, count)):
        group.recover(b[i], a[i])
    milliseconds["one"] = 1e3 * (time.perf_counter() - began) / min(10, count)

    references = torch.stack([t.mT, *group._reflected(moments, t.mT)])
    g = group._best(moments, references)
    g, _ = descend(form, moments, g, steps=60)
    _, polished = descend(form, moments, g, steps=30, newton=True)
    rivals = torch.stack([polished, *errors.values()])
    best = rivals.amin(0) + moments.energy
    slack = 1e-13 * moments.energy  # of exact data only rounding is left
    successes = {
        name: float((e + moments.energy <= 1.001 * best + slack).double().mean())
        for name, e in errors.items()
    }
    distance = torch.linalg.matrix_norm(fit.matrix - t) / torch.linalg.matrix_norm(t)
    return {
        "family": family,
        "d": d,
        "noise": noise,
        "rapidity": rapidity,
        "trials": count,
        "success": successes,
        "ms": milliseconds,
        "largest_error": float(distance.max()),
    }


def table(results: Sequence[dict[str, Any]]) -> str:
    """The Markdown table of docs/results/recovery.md."""
    lines = [
        "| group | " + " | ".join(METHODS) + " | ms in a batch | ms alone | exact data |",
        "|---" * (len(METHODS) + 4) + "|",
    ]
    for family in FAMILIES:
        own = [r for r in results if r["family"] == family]
        if not own:
            continue
        cells = []
        for method in METHODS:
            rates = [r["success"][method] for r in own]
            cells.append(f"{sum(rates) / len(rates):.4f} ({min(rates):.3f})")
        ms = [[r["ms"][key] for r in own] for key in ("recover", "one")]
        times = [f"{min(values):.1f}-{max(values):.1f}" for values in ms]
        exact = max((r["largest_error"] for r in own if not r["noise"]), default=float("nan"))
        lines.append(f"| {family} | " + " | ".join([*cells, *times, f"{exact:.0e}"]) + " |")
        lines.append("| given | " + " | ".join([*GIVEN[family], "", "", ""]) + " |")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the configurations, print the table, and keep every figure in a file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--dims", type=int, nargs="+", default=[4, 8, 16, 32])
    parser.add_argument("--noise", type=float, nargs="+", default=[0.0, 0.01, 0.1])
    parser.add_argument("--rapidity", type=float, nargs="+", default=[1.0, 3.0, 5.0])
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--out", type=Path, default=Path("runs/recovery.jsonl"))
    arguments = parser.parse_args(argv)
    torch.set_num_threads(1)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    grid = itertools.product(arguments.dims, FAMILIES, arguments.noise, arguments.rapidity)
    results = []
    with arguments.out.open("w") as file:
        for seed, (d, family, noise, rapidity) in enumerate(grid):
            results.append(configuration(family, d, noise, rapidity, arguments.trials, seed))
            file.write(json.dumps(results[-1]) + "\n")
            file.flush()
    print(table(results))


if __name__ == "__main__":
    main()
