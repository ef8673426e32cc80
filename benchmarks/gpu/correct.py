"""Stage 1: every kernel and route against float64, on the device, in the device's own arithmetic.

Each case draws fresh inputs from a seed of its own, fills all memory that ``torch.empty`` returns
with NaN, and makes the same call twice, which must give the same bits.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu import checks
from benchmarks.gpu.options import Options
from benchmarks.gpu.parameters import tuned
from benchmarks.gpu.results import Results
from benchmarks.gpu.workers import MANY, Limits, share

PAIRS = ("all", "off_diagonal", "mask", "masks")
DTYPES = ("float32", "float64")
LAYOUTS = ("rows", "columns", "strided")


def run(results: Results, options: Options) -> None:
    """Check every case, several at a time: compiling is what most of them wait for."""
    where = {"device": options.device, "out": str(options.out)}
    jobs = [where | job for job in cases(options.rehearse)]
    results.put(planned=len(jobs))
    processes = 2 if options.rehearse else MANY
    for job, outcome, error in share(check, jobs, Limits(processes, 90.0, results.left)):
        name = " ".join(f"{value}" for key, value in job.items() if key not in where)
        if error is not None:
            print(f"FAILED {name}: {error}", flush=True)
        results.add(case=name, ok=error is None, error=error, **(outcome or {}))
    if len(results.record["rows"]) == len(jobs):
        results.finish()


def check(*, check: str, device: str, out: str, **case: Any) -> dict[str, Any]:
    """One case: its seed, its largest error as a part of the bound, and its seconds.

    Raises:
        AssertionError: something is wrong; with the seed.
    """
    start = time.perf_counter()
    torch.use_deterministic_algorithms(True, warn_only=True)  # and torch.empty is full of NaN
    assert torch.empty(3, device=device).isnan().all()
    seed = int.from_bytes(os.urandom(4), "little")
    torch.manual_seed(seed)
    try:
        # After a tuning in the same folder it is its parameters that are checked.
        with tuned(Path(out), rehearsal=device == "cpu"):
            of_bound = getattr(checks, check)(device=device, **case)
    except AssertionError as error:
        raise AssertionError(f"seed {seed}: {error}") from error
    seconds = round(time.perf_counter() - start, 2)
    return {"seed": seed, "of_bound": of_bound, "seconds": seconds}


def cases(rehearse: bool) -> Iterator[dict[str, Any]]:
    """Jobs for :func:`check`, those that compile nothing last."""
    ns = (1, 17, 65) if rehearse else (1, 2, 17, 63, 64, 65, 129, 1000)
    ds = (1, 18) if rehearse else (1, 3, 17, 18, 128, 513)
    sizes = list(itertools.product(ns, ds))
    yield from _compiled(rehearse)
    for (i, (n, d)), dtype in itertools.product(enumerate(sizes), DTYPES):
        # Forms, pairs and layouts take turns, so that each meets every n and nearly every d.
        job = {"check": "gram", "route": "triton", "n": n, "d": d, "dtype": dtype}
        yield job | _turn(i, d)
    for precision in ("tf32x3",) if rehearse else ("tf32x3", "bf16x6"):  # the interpreter has one
        for n, d in [(17, 18)] if rehearse else [(17, 18), (64, 128), (65, 17), (1000, 128)]:
            job = {"check": "gram", "route": "triton", "n": n, "d": d, "dtype": "float32"}
            yield job | _turn(n, d) | {"precision": precision}
    for (i, (n, d)), dtype in itertools.product(enumerate(sizes), DTYPES):
        yield {"check": "moments_kernel", "c": 1 + i % 3, "n": n, "d": d, "dtype": dtype}
        for route in ("triton", "tiled"):
            job = {"check": "partition", "route": route, "n": n, "d": d, "dtype": dtype}
            yield job | {"group": 1 + i % 2}
    for route in ("gram", "moments", "gauge"):
        for (i, (n, d)), dtype in itertools.product(enumerate(sizes), DTYPES):
            job = {"check": "gram", "route": route, "n": n, "d": d, "dtype": dtype}
            turn = _turn(i, d)
            if route != "gram":
                turn["pairs"] = PAIRS[i % 2]  # neither sees single pairs
            yield job | turn | ({"form": "euclidean"} if route == "gauge" else {})
    for n, dtype in itertools.product((1, 8) if rehearse else (1, 64, 500), DTYPES):
        yield {"check": "hyperbolic", "n": n, "d": 4, "dtype": dtype}
    yield {"check": "offsets", "elements": 2**16 if rehearse else 2**31}


def _compiled(rehearse: bool) -> Iterator[dict[str, Any]]:
    for loss, n in itertools.product(("pairwise", "info_nce"), (8,) if rehearse else (16, 600)):
        yield {"check": "compiled", "loss": loss, "n": n, "d": 8, "rehearse": rehearse}
    for op, route in (("gram", "triton"), ("gram", "moments"), ("partition", "triton")):
        yield {"check": "derivatives", "op": op, "route": route}


def _turn(i: int, d: int) -> dict[str, Any]:
    forms = [name for name in checks.FORMS if checks.fits(name, d)]
    return {
        "c": 1 + i % 2,
        "form": forms[i % len(forms)],
        "pairs": PAIRS[(i // 2) % 4],
        "layout": LAYOUTS[i % 3],
    }


def page(record: dict[str, Any]) -> str:
    """What was checked, and each failure by its case."""
    rows = record["rows"]
    failed = [row for row in rows if not row["ok"]]
    worst = max((row["of_bound"] for row in rows if row["ok"]), default=0.0)
    lines = [
        "### Correctness",
        "",
        f"{len(rows) - len(failed)} of {len(rows)} cases right against float64 "
        f"({record['planned']} planned), the largest error {worst:.2f} of its bound; the same "
        "bits twice, inputs untouched, unwritten memory full of NaN.",
    ]
    lines += ["", *(f"- **failed** `{row['case']}`: {row['error']}" for row in failed)]
    return "\n".join(lines).rstrip()
