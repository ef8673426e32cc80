"""Stage 2: launch parameters of each kernel, at the shapes that the targets name.

Candidates are compiled and checked by several processes, and those that are right are timed by
this one, in turns. A candidate is right if its errors near convergence, where the loss cancels, are
no larger than those of exact float32 products, up to a factor of two.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from benchmarks.gpu.options import Options
from benchmarks.gpu.parameters import LAUNCH, current, with_changes
from benchmarks.gpu.results import Results
from benchmarks.gpu.workers import MANY, Limits, share
from benchmarks.gram_difference import make
from benchmarks.timing import graphed, median_ms
from equiform import EuclideanForm
from equiform.ops import gram_difference, log_partition
from equiform.ops.gram_difference.triton.moments import moments

SLACK = 2.0
#: Calls in a graph, so that its own start does not count.
REPEATS = 5
#: The part of the time in which candidates are compiled and checked.
CHECKING = 0.55
#: Largest d of each entry of float32, and the d that stands for it. float64 is not tuned.
WIDTHS = {"gram_difference": {"32": 32, "inf": 128}, "info_nce": {"64": 64, "inf": 128}}
PRECISIONS = ("ieee", "tf32x3", "bf16x6")


class Kernel(NamedTuple):
    """What is tuned: its op, the shape it is timed at, and the parameters that are tried at d."""

    op: str
    shape: tuple[int, int]  # chunks, points
    tried: Callable[[int], list[dict[str, Any]]]


def _product(**choices: Iterable[Any]) -> list[dict[str, Any]]:
    return [
        dict(zip(choices, values, strict=True)) for values in itertools.product(*choices.values())
    ]


def _fused(d: int) -> list[dict[str, Any]]:
    sides = [(64, 32, 4), (64, 32, 8), (64, 64, 8), (128, 32, 8), (32, 32, 4)]
    blocks = [(*side, min(64, d)) for side in sides]
    if d > 64:
        blocks += [(64, 32, 8, 128), (128, 32, 8, 128)]
    return [
        {"rows": rows, "columns": columns, "num_warps": warps, "width": width} | precision
        for (rows, columns, warps, width), precision in itertools.product(
            blocks, _product(input_precision=PRECISIONS)
        )
    ]


#: In the order in which they are tuned: what most calls take comes first.
KERNELS = {
    "small": Kernel(
        "gram_difference",
        (16, 16),
        lambda d: _product(rows=(16, 32), depth=(32, min(128, d)), num_warps=(2, 4, 8)),
    ),
    "fused": Kernel("gram_difference", (1, 4096), _fused),
    "gradient": Kernel(
        "info_nce",
        (1, 8192),
        lambda d: _product(side=(32, 64), columns=(32, 64), width=sorted({64, d}), num_warps=(8,)),
    ),
    "partition": Kernel(
        "info_nce",
        (1, 8192),
        lambda d: _product(side=(64, 128), num_warps=(4, 8), num_stages=(2, 3)),
    ),
    "forward": Kernel(
        "gram_difference",
        (1, 4096),
        lambda d: _product(side=(64, 128), num_warps=(4, 8), input_precision=PRECISIONS),
    ),
    "moments": Kernel(
        "gram_difference",
        (1, 65_536),
        lambda d: _product(side=(32, 64), points=(16, 64), num_warps=(4, 8)),
    ),
}
#: Names of kernels in the file of their op, where they differ.
IN_FILE = {"partition": "forward"}


class Candidate(NamedTuple):
    """Changes to the parameters of a kernel, and the errors of its results with them."""

    changes: dict[str, Any]
    errors: list[float]


def run(results: Results, options: Options) -> None:
    """Check all candidates, then time those of one kernel after the other."""
    plan = [(kernel, widest) for kernel, of in KERNELS.items() for widest in WIDTHS[of.op]]
    plan.sort(key=lambda job: job[1] != "inf")  # wide embeddings first
    if options.rehearse:
        plan = plan[: len(KERNELS)]
    right, refused = check_all(plan, results, options)
    launch = {op: current(op) for op in LAUNCH}
    for done, (kernel, widest) in enumerate(plan):
        if results.left() <= 0:
            return
        of = KERNELS[kernel]
        seconds = results.left() / (len(plan) - done)
        ms = time_all(kernel, widest, right[kernel, widest], options, seconds=0.8 * seconds)
        best = min(range(len(ms)), key=lambda i: ms[i], default=None)
        changes = {} if best is None else right[kernel, widest][best].changes
        name = IN_FILE.get(kernel, kernel)
        before = launch[of.op]["float32"][widest][name]
        launch[of.op] = with_changes(launch[of.op], "float32", widest, name, changes)
        results.put(launch=launch)
        results.add(
            kernel=f"{of.op} {kernel}",
            widest=widest,
            before=before,
            best=changes,
            ms=None if best is None else ms[best],
            ms_before=ms[0] if ms and not right[kernel, widest][0].changes else None,
            right=len(right[kernel, widest]),
            refused=refused[kernel, widest],
        )
        print(f"{of.op} {kernel} d <= {widest}: {changes}", flush=True)
    results.finish()


def check_all(
    plan: list[tuple[str, str]], results: Results, options: Options
) -> tuple[dict[tuple[str, str], list[Candidate]], dict[tuple[str, str], list[dict]]]:
    """The candidates that are right, the present parameters first, and why others are not."""
    jobs = []
    for kernel, widest in plan:
        of = KERNELS[kernel]
        tried = of.tried(WIDTHS[of.op][widest])[: 2 if options.rehearse else None]
        where = {"kernel": kernel, "widest": widest}
        where |= {"device": options.device, "rehearse": options.rehearse}
        jobs += [where | {"changes": changes} for changes in [{}, *tried]]
    processes = 1 if options.rehearse else MANY
    kept = (1 - CHECKING) * results.left()
    limits = Limits(processes, 60.0, lambda: results.left() - kept)
    found: dict[tuple[str, str], list[Candidate]] = {job: [] for job in plan}
    refused: dict[tuple[str, str], list[dict]] = {job: [] for job in plan}
    for job, errors, failure in share(errors_of, jobs, limits):
        of = job["kernel"], job["widest"]
        if failure is None:
            found[of].append(Candidate(job["changes"], errors))
        else:
            refused[of].append({"changes": job["changes"], "why": failure})
    right = {}
    for of, candidates in found.items():
        candidates.sort(key=lambda candidate: bool(candidate.changes))
        exact = candidates[0].errors if candidates and not candidates[0].changes else []
        right[of] = [
            candidate
            for candidate in candidates
            # Below 1e-7 nobody who has float32 in mind sees a difference.
            if all(e <= SLACK * max(x, 1e-7) for e, x in zip(candidate.errors, exact, strict=True))
        ] if exact else []  # fmt: skip
        refused[of] += [
            {"changes": candidate.changes, "why": f"errors {candidate.errors}"}
            for candidate in candidates
            if candidate not in right[of]
        ]
    return right, refused


def errors_of(
    *, kernel: str, widest: str, changes: dict, device: str, rehearse: bool
) -> list[float]:
    """Relative errors of a candidate's results against float64, near convergence."""
    call, oracle = step(kernel, widest, device, rehearse)
    with _under_trial(kernel, widest, changes):
        results = call()
    return [
        float(torch.linalg.vector_norm(r.double() - o) / torch.linalg.vector_norm(o))
        for r, o in zip(results, oracle(), strict=True)
    ]


def step(
    kernel: str, widest: str, device: str, rehearse: bool
) -> tuple[Callable[[], list[Tensor]], Callable[[], list[Tensor]]]:
    """The kernel's call at its shape, and the same by the definition in float64."""
    of = KERNELS[kernel]
    c, n = (min(of.shape[0], 2), min(of.shape[1], 80)) if rehearse else of.shape
    a, b = make(c, n, 16 if rehearse else WIDTHS[of.op][widest], device)
    wide = [z.detach().double().requires_grad_() for z in (a, b)]

    def gram(x: Tensor, y: Tensor, backend: str) -> list[Tensor]:
        with torch.set_grad_enabled(kernel != "forward"):
            loss = gram_difference(x, y, EuclideanForm(), backend=backend)
        gradients = torch.autograd.grad(loss.sum(), (x, y)) if loss.requires_grad else ()
        return [loss.detach(), *gradients]

    def partition(x: Tensor, backend: str) -> list[Tensor]:
        # Rows of length 3, as at a temperature of 1/9.
        value = log_partition(3 * x[0], group=2, backend=backend)
        if kernel == "partition":
            return [value.detach()]
        return list(torch.autograd.grad(value.sum(), x))

    if kernel == "moments":
        z = torch.cat(wide, dim=-1).detach()
        x, y = a.detach(), b.detach()
        return lambda: [moments(x, y)], lambda: [z.mT @ z]
    if of.op == "info_nce":
        return lambda: partition(a, "triton"), lambda: partition(wide[0], "reference")
    return lambda: gram(a, b, "triton"), lambda: gram(*wide, "reference")


def _under_trial(kernel: str, widest: str, changes: dict) -> Any:
    op = KERNELS[kernel].op
    name = IN_FILE.get(kernel, kernel)
    return LAUNCH[op].using(with_changes(current(op), "float32", widest, name, changes))


def time_all(
    kernel: str, widest: str, candidates: list[Candidate], options: Options, *, seconds: float
) -> list[float]:
    """Milliseconds of each on the device; those already compiled are in Triton's cache."""
    call, _ = step(kernel, widest, options.device, options.rehearse)
    steps = {}
    for i, candidate in enumerate(candidates):
        with _under_trial(kernel, widest, candidate.changes):
            steps[str(i)] = graphed(call, repeats=REPEATS, device=options.device)
    if not steps:
        return []
    each = 0.01 if options.rehearse else min(0.5, seconds / len(steps))
    ms = median_ms(steps, seconds=each, device=options.device)
    return [value / REPEATS for value in ms.values()]


def page(record: dict[str, Any]) -> str:
    """What won, beside the parameters that shipped before."""
    lines = [
        "### Launch parameters",
        "",
        "Float32, in a CUDA graph. *before* is the entry for a GPU without one of its own; a "
        f"candidate counts only if its errors near convergence are within {SLACK:g} times those of "
        "exact products.",
        "",
        "| kernel | d up to | right | refused | changed | ms before | ms | |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in record["rows"]:
        changed = ", ".join(
            f"{name} {value}"
            for name, value in row["best"].items()
            if row["before"].get(name) != value
        )
        before, ms = row["ms_before"], row["ms"]
        cells = [f"{x:.3g}" if x else "–" for x in (before, ms)]
        cells.append(f"{before / ms:.2f}×" if ms and before else "–")
        lines.append(
            f"| {row['kernel']} | {row['widest']} | {row['right']} | {len(row['refused'])} "
            f"| {changed or 'nothing'} | {' | '.join(cells)} |"
        )
    return "\n".join(lines)
