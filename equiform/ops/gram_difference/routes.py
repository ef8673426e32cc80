"""The routes of the Gram difference by name, and which of them a call takes: decided here alone."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from equiform.ops._triton import require_triton, triton_runs
from equiform.ops.gram_difference.gauge import gauge
from equiform.ops.gram_difference.gram import gram
from equiform.ops.gram_difference.moments import moments
from equiform.ops.gram_difference.problem import Problem, Solution
from equiform.ops.tuned import Tuned


class Crossover(NamedTuple):
    """Where moments overtake tiles of the Gram matrix: from both sizes on."""

    moments_from_n_over_d: float  # points for each dimension
    moments_from_n: float  # points


#: By device, written by ``python -m benchmarks.crossovers``. The entry of ``cuda`` is from
#: operation counts and has not been measured.
CROSSOVERS = Tuned(
    Path(__file__).with_name("crossovers.json"), lambda entry: Crossover(**entry), default="cpu"
)


def _triton(problem: Problem) -> Solution:
    require_triton(problem.a)
    kernels = importlib.import_module("equiform.ops.gram_difference.triton.gram")
    return kernels.triton_gram(problem)


ROUTES: dict[str, Callable[[Problem], Solution]] = {
    "gauge": gauge,
    "gram": gram,
    "moments": moments,
    "triton": _triton,
}


def choose_route(x: Tensor, *, masked: bool, euclidean: bool) -> str:
    """Moments where there are many more points than dimensions, else tiles of the Gram matrix.

    For embeddings ``(c, n, d)``. Moments cannot see a mask; only with J = I can the gauge be fixed.
    """
    return choose(*x.shape[-2:], x.device, x.dtype, masked, euclidean, CROSSOVERS.measured)


@functools.lru_cache(maxsize=256)
def choose(
    n: int,
    d: int,
    device: torch.device,
    dtype: torch.dtype,
    masked: bool,
    euclidean: bool,
    measured: Crossover | None,
) -> str:
    """:func:`choose_route` from what it depends on, remembered."""
    crossover = measured or CROSSOVERS.of(device)
    if masked or n < max(crossover.moments_from_n_over_d * d, crossover.moments_from_n):
        return "triton" if triton_runs(device) else "gram"
    return "gauge" if euclidean and float64_is_slow(device, dtype) else "moments"


def float64_is_slow(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether float32 on this GPU has 32 times the float64 rate or more."""
    if device.type != "cuda" or dtype != torch.float32:
        return False
    # The data-centre chips of each generation (P100, V100, A100, H100, B200) have fast float64.
    fast = {(6, 0), (7, 0), (8, 0), (9, 0), (10, 0)}
    return torch.cuda.get_device_capability(device) not in fast
