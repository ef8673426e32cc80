"""The table of the Gram-difference op: time, memory and accuracy beside its rivals.

    python -m benchmarks.gram_difference [--markdown FILE]

runs on whatever device there is, forward and backward, float32 in. A ratio is printed only where
the op's loss and gradient agreed with float64 in the same run.
"""

from __future__ import annotations

import argparse
import platform
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from benchmarks import rivals
from benchmarks.timing import median_ms, peak_extra_mb
from equiform import EuclideanForm
from equiform.functional import pairwise_equivariance
from equiform.ops.gram_difference import reference
from equiform.ops.gram_difference.routes import choose_route

#: Chunks, points, dimensions.
CASES = [(16, 16, 128), (1, 512, 128), (1, 4096, 128), (1, 65_536, 128), (1, 1_000_000, 64)]
#: Points above which a rival that stores n×n matrices is not run.
DENSE_LIMIT = 8192
#: Largest relative error of loss and gradient against float64 at which a ratio is printed.
GATE = (1e-5, 5e-3)
NOISE = 1e-2

SETUP = """
import torch
from benchmarks.gram_difference import make, ours, step_of
a, b = make({c}, {n}, {d}, "cpu")
small = make({c}, 64, {d}, "cpu")
step_of(ours, *small)()
step = step_of(ours, a, b)
"""


def make(c: int, n: int, d: int, device: str) -> tuple[Tensor, Tensor]:
    """Unit rows and a rotated, noisy copy, float32, requiring gradients."""
    generator = torch.Generator().manual_seed(0)
    b = torch.nn.functional.normalize(torch.randn(c, n, d, generator=generator), dim=-1)
    t = EuclideanForm().isometry_group(d).sample(generator=generator)
    a = b @ t.mT + NOISE * torch.randn(c, n, d, generator=generator)
    return a.to(device).requires_grad_(), b.to(device).requires_grad_()


def ours(a: Tensor, b: Tensor) -> Tensor:
    """The library's loss."""
    return pairwise_equivariance(a, b)


def step_of(loss: Callable[[Tensor, Tensor], Tensor], a: Tensor, b: Tensor) -> Callable[[], object]:
    """Forward and backward as one call."""
    return lambda: torch.autograd.grad(loss(a, b), (a, b))


def errors(
    a: Tensor,
    b: Tensor,
    loss: Callable[[Tensor, Tensor], Tensor] = ours,
    mask: Tensor | None = None,
) -> tuple[float, float]:
    """Relative error of loss and gradient against float64, by the definition or its moments."""
    x, y = (z.detach().double().requires_grad_() for z in (a, b))
    n = a.shape[-2]
    if n <= DENSE_LIMIT:
        exact = reference.gram_difference(x, y, EuclideanForm(), mask=mask).mean() / n**2
    else:
        exact = rivals.eager_moments(x, y)
    want = [exact, *torch.autograd.grad(exact, (x, y))]
    value = loss(a, b)
    got = [value, *torch.autograd.grad(value, (a, b))]
    loss_error, *gradient_errors = [
        float(torch.linalg.vector_norm(g.detach().double() - w.detach()))
        / float(torch.linalg.vector_norm(w.detach()))
        for g, w in zip(got, want, strict=True)
    ]
    return loss_error, max(gradient_errors)


def floor_step(c: int, n: int, d: int, device: str, route: str) -> Callable[[], object]:
    """Plain float32 matrix products of as many flops as the route does, in GEMMs of its shapes."""
    x = torch.randn(c, n, d, device=device)
    if route == "moments":  # 12 n d²: as (n, d) @ (d, 6 d)
        y = torch.randn(c, d, 6 * d, device=device)
        return lambda: torch.bmm(x, y)
    rows = torch.randn(c, min(n, 256), d, device=device)  # 8 n² d, a tile of 256 rows at a time
    tile = torch.empty(c, rows.shape[1], n, device=device)
    out = torch.empty_like(rows)

    def tiles() -> None:
        for _ in range(-(-n // rows.shape[1])):
            torch.bmm(rows, x.mT, out=tile)
            torch.bmm(rows, x.mT, out=tile)
            torch.bmm(tile, x, out=out)
            torch.bmm(tile, x, out=out)

    return tiles


def row(c: int, n: int, d: int, device: str) -> list[str]:
    """One case, as the cells of the table."""
    a, b = make(c, n, d, device)
    route = choose_route(a, masked=False, euclidean=True)
    steps = {"ours": step_of(ours, a, b), "floor": floor_step(c, n, d, device, route)}
    if c * n <= DENSE_LIMIT:
        compiled = torch.compile(rivals.eager)
        steps |= {
            "eager": step_of(rivals.eager, a, b),
            "compile": step_of(compiled, a, b),
            "released": step_of(rivals.released, a, b),
        }
    steps["moments"] = step_of(rivals.eager_moments, a, b)
    ms = median_ms(steps, device=device)
    loss_error, gradient_error = errors(a, b)
    passed = loss_error <= GATE[0] and gradient_error <= GATE[1]

    def ratio(name: str) -> str:
        return f"{ms[name] / ms['ours']:.1f}×" if passed and name in ms else "–"

    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        steps["ours"]()
        memory = (torch.cuda.max_memory_allocated() - before) / 2**20
    else:
        memory = peak_extra_mb(SETUP.format(c=c, n=n, d=d))
    return [
        f"{c}",
        f"{n:,}",
        f"{d}",
        route,
        f"{ms['ours']:.3g}",
        f"{memory:.0f}",
        f"{loss_error:.0e} / {gradient_error:.0e}",
        ratio("eager"),
        ratio("compile"),
        ratio("moments"),
        ratio("released"),
        f"{ms['ours'] / ms['floor']:.2f}×" if passed else "–",
    ]


HEADER = (
    "c | n | d | route | ms | extra MB | error (loss / gradient) | vs eager | vs compile "
    "| vs eager moments (fp32) | vs released | of the floor"
)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--markdown", type=Path, help="write the table to this file too")
    arguments = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    name = torch.cuda.get_device_name() if device == "cuda" else platform.machine()
    lines = [
        f"Device: {device} ({name}), {torch.get_num_threads()} threads, torch {torch.__version__}.",
        "",
        f"| {HEADER} |",
        "|" + "---|" * (HEADER.count("|") + 1),
    ]
    print("\n".join(lines), flush=True)
    for case in CASES:
        lines.append(f"| {' | '.join(row(*case, device))} |")
        print(lines[-1], flush=True)
    if arguments.markdown:
        arguments.markdown.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
