"""Stage 3: the Gram-difference op beside its rivals and its floor; each target met or missed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from benchmarks import rivals
from benchmarks.gpu.ceilings import floor_ms, measure_ceilings
from benchmarks.gpu.options import Options
from benchmarks.gpu.results import Results
from benchmarks.gram_difference import GATE, errors, make, step_of
from benchmarks.timing import graphed, median_ms
from equiform import EuclideanForm
from equiform.functional import pairwise_equivariance
from equiform.ops import gram_difference
from equiform.ops.gram_difference.moments import blocked_moments
from equiform.ops.gram_difference.routes import choose_route
from equiform.ops.gram_difference.triton.moments import moments as split_k_moments

#: Steps in a graph, so that its own start does not count.
REPEATS = 10


class Case(NamedTuple):
    """A row: its shape, and what is asked of it.

    Attributes:
        targets: by name of a figure, the least ratio to a rival; or, with a name that begins with
            ``at most``, the largest value.
    """

    c: int
    n: int
    d: int
    masked: bool
    targets: dict[str, float]


#: Set for an H200.
CASES = [
    Case(
        16, 16, 128, False,
        {
            "eager": 2, "graph: eager": 20, "graph: compile": 3, "graph: released": 50,
            "at most graph: floor": 1.3,
        },
    ),
    Case(1, 4096, 128, False, {"eager": 15, "compile": 12, "released": 1000}),
    Case(
        1, 4096, 128, True, {"eager": 4, "compile": 4, "released": 300, "at most floor": 2}
    ),
    Case(
        1, 65_536, 128, False,
        {"eager": 500, "compile": 400, "at most floor": 2, "at most memory": 4},
    ),
    Case(1, 1_048_576, 256, False, {"at most ms": 14}),
]  # fmt: skip
#: Shapes that both ways to the moments are timed at.
MOMENTS = [(1, 4096, 128), (1, 65_536, 128), (16, 4096, 128), (1, 65_536, 256), (1, 65_536, 512)]
REHEARSED = [Case(2, 16, 8, False, CASES[0].targets), Case(1, 70, 8, True, CASES[2].targets)]
#: Points above which a rival that stores n×n matrices cannot run on any of these cards.
DENSE_LIMIT = 100_000


def run(results: Results, options: Options) -> None:
    """Ceilings of the machine, then a row after the other, its slow rivals last."""
    torch.backends.cuda.matmul.allow_tf32 = False
    ceilings = measure_ceilings(options)
    results.put(ceilings=ceilings)
    cases = REHEARSED if options.rehearse else CASES
    for case in cases:
        if results.left() <= 0:
            return
        name = f"{case.c} x {case.n} x {case.d}{' masked' * case.masked}"
        try:
            row = measure(case, ceilings, options, results.left)
        except Exception as error:  # of Triton's compiler too: the other rows may still do
            results.add(case=name, ok=False, error=f"{type(error).__name__}: {error}"[:600])
            continue
        results.add(**row)
        print(f"{name}: {row['ms']}", flush=True)
    for c, n, d in [(2, 64, 8)] if options.rehearse else MOMENTS:
        if results.left() <= 0:
            return
        try:
            results.add(**measure_moments(c, n, d, options))
        except Exception as error:
            results.add(case="moments", ok=False, error=f"{type(error).__name__}: {error}"[:600])
    results.finish()


def measure(
    case: Case, ceilings: dict[str, float], options: Options, left: Callable[[], float]
) -> dict[str, Any]:
    """One row."""
    c, n, d = case[:3]
    device = options.device
    a, b = make(c, n, d, device)
    mask = ~torch.eye(n, dtype=torch.bool, device=device) if case.masked else None
    ours = step_of(lambda x, y: loss_of(x, y, mask), a, b)
    ms: dict[str, float] = {}
    ratios: dict[str, float] = {}
    why: dict[str, str] = {}
    seconds = 0.02 if options.rehearse else 0.5

    def add(name: str, make_step: Callable[[], Callable[[], object]], repeats: int = 1) -> None:
        """Time a rival beside our step, if it runs at all."""
        if left() <= 0:
            why[name] = "no time was left"
            return
        try:
            timed = {"ours": ours, name: make_step()}
            found = median_ms(timed, seconds=seconds, device=device)
            ms[name] = found[name] / repeats
            ms.setdefault("ours", found["ours"])
            ratios[name] = found[name] / found["ours"]  # of the same turns
        except Exception as error:  # a rival may fail in any way, and out of memory is one
            why[name] = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        if device == "cuda":
            torch.cuda.empty_cache()

    repeats = REPEATS if c * n <= 2**14 else 1
    add("graph", lambda: graphed(ours, repeats=repeats, device=device), repeats)
    add("eager moments", lambda: step_of(rivals.eager_moments, a, b))
    memory = extra_memory(ours, device) / (4 * c * n * d)
    loss_error, gradient_error = errors(a, b, lambda x, y: loss_of(x, y, mask), mask)
    if n <= DENSE_LIMIT:
        eager = rivals.eager if mask is None else rivals.eager_masked(mask)
        backend = "aot_eager" if options.rehearse else "inductor"
        add("eager", lambda: step_of(eager, a, b))
        add("compile", lambda: step_of(torch.compile(eager, backend=backend, dynamic=False), a, b))
        add("released", lambda: step_of(rivals.released, a, b))
    route = choose_route(a, masked=case.masked, euclidean=True)
    row = {
        "c": c, "n": n, "d": d, "masked": case.masked, "route": route, "ms": ms,
        "ratios": ratios, "not_run": why, "memory": memory, "errors": [loss_error, gradient_error],
        "accurate": loss_error <= GATE[0] and gradient_error <= GATE[1],
        "floor_ms": floor_ms(c, n, d, case.masked, route, ceilings),
    }  # fmt: skip
    row["figures"] = figures(row)
    row["targets"] = verdicts(case, row)
    return row


def loss_of(a: Tensor, b: Tensor, mask: Tensor | None) -> Tensor:
    """The library's loss: a mean over all ordered pairs, without those that are masked."""
    if mask is None:
        return pairwise_equivariance(a, b)
    return gram_difference(a, b, EuclideanForm(), mask=mask).mean() / a.shape[-2] ** 2


def extra_memory(step: Callable[[], object], device: str) -> float:
    """Bytes that a step allocates at most, above what is there before; NaN on a CPU."""
    if device != "cuda":
        return float("nan")
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    step()
    return torch.cuda.max_memory_allocated() - before


def figures(row: dict[str, Any]) -> dict[str, float]:
    """Ratios to rivals, eager and in a graph, to the floor, and what else has a target."""
    ms = row["ms"]
    found = {"ms": ms["ours"], "memory": row["memory"], "floor": ms["ours"] / row["floor_ms"]}
    found |= {name: ratio for name, ratio in row["ratios"].items() if name != "graph"}
    if "graph" in ms:
        rivals_ms = {name: t for name, t in ms.items() if name not in ("ours", "graph")}
        found |= {f"graph: {name}": t / ms["graph"] for name, t in rivals_ms.items()}
        found["graph: floor"] = ms["graph"] / row["floor_ms"]
    return found


def verdicts(case: Case, row: dict[str, Any]) -> dict[str, str]:
    """Each target: met, missed, or why it cannot be told."""
    said = {}
    for name, target in case.targets.items():
        least = not name.startswith("at most ")
        figure = row["figures"].get(name.removeprefix("at most "))
        rival = name.removeprefix("at most ").removeprefix("graph: ")
        if figure is None:
            reasons = [row["not_run"][of] for of in (rival, "graph") if of in row["not_run"]]
            said[name] = f"not measured: {[*reasons, 'no time was left'][0]}"
        elif not row["accurate"]:
            said[name] = "missed: not accurate"
        else:
            met = figure >= target if least else figure <= target
            said[name] = f"{'met' if met else '**missed**'} ({figure:.3g}, asked {target:g})"
    return said


def measure_moments(c: int, n: int, d: int, options: Options) -> dict[str, Any]:
    """The split-K kernel of the moments beside float64 products by BLAS."""
    a, b = (z.detach() for z in make(c, n, d, options.device))
    ms = median_ms(
        {
            "split-K kernel": lambda: split_k_moments(a, b),
            "BLAS": lambda: blocked_moments(a, b),
        },
        seconds=0.02 if options.rehearse else 0.5,
        device=options.device,
    )
    return {"moments": True, "c": c, "n": n, "d": d, "ms": ms}


def page(record: dict[str, Any]) -> str:
    """The table, the targets, and the comparison of both ways to the moments."""
    failed = [row for row in record["rows"] if row.get("ok") is False]
    rows = [row for row in record["rows"] if "figures" in row]
    ceilings = record["ceilings"]
    lines = [
        "### Time, memory, accuracy",
        "",
        "Measured in the same run: a copy moves "
        f"{ceilings['bytes_per_s'] / 1e12:.2f} TB/s, products reach "
        f"{ceilings['float32_flop_per_s'] / 1e12:.0f} (float32), "
        f"{ceilings['float64_flop_per_s'] / 1e12:.0f} (float64) and "
        f"{ceilings['bfloat16_flop_per_s'] / 1e12:.0f} TFLOP/s (bfloat16), a kernel in a graph "
        f"takes {ceilings['launch_s'] * 1e6:.2f} µs.",
        "",
        "| c | n | d | route | ms | in a graph | memory / 4 n d bytes | error (loss / gradient) "
        "| vs eager | vs compile | vs eager moments (fp32) | vs released | of the floor |",
        "|---" * 13 + "|",
    ]
    for row in rows:
        ratios = [
            f"{row['figures'][name]:.3g}×" if name in row["figures"] and row["accurate"] else "–"
            for name in ("eager", "compile", "eager moments", "released", "floor")
        ]
        graph = row["ms"].get("graph")
        memory, *errors = map(float, (row["memory"], *row["errors"]))  # NaN is text in JSON
        route = f"{row['route']}{', masked' * row['masked']}"
        lines.append(
            f"| {row['c']} | {row['n']:,} | {row['d']} | {route} "
            f"| {row['ms']['ours']:.3g} | {f'{graph:.3g}' if graph else '–'} | {memory:.1f} "
            f"| {errors[0]:.0e} / {errors[1]:.0e} | {' | '.join(ratios)} |"
        )
    lines += ["", *(f"- **failed** {row['case']}: {row['error']}" for row in failed)]
    lines += ["", "| c, n, d | target | |", "|---|---|---|"]
    for row in rows:
        shape = f"{row['c']}, {row['n']:,}, {row['d']}{', masked' * row['masked']}"
        lines += [f"| {shape} | {_asked(name)} | {said} |" for name, said in row["targets"].items()]
    moments = [row for row in record["rows"] if "moments" in row]
    if moments:
        lines += [
            "",
            "Moments in float64, ms:",
            "",
            "| c, n, d | split-K kernel | BLAS |",
            "|---" * 3 + "|",
        ]
    for row in moments:
        times = " | ".join(f"{row['ms'][name]:.3g}" for name in ("split-K kernel", "BLAS"))
        lines.append(f"| {row['c']}, {row['n']:,}, {row['d']} | {times} |")
    return "\n".join(lines)


def _asked(name: str) -> str:
    where = " in a graph" if "graph: " in name else ""
    rival = name.removeprefix("at most ").removeprefix("graph: ")
    return {
        "floor": f"of the floor{where}",
        "memory": "memory, of 4 n d bytes",
        "ms": "milliseconds",
    }.get(rival, f"against {rival}{where}")
