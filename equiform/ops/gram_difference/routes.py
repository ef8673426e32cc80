"""The routes of the Gram difference by name, and which of them a call takes: decided here alone."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from equiform.ops._triton import require_triton, triton_runs
from equiform.ops.gram_difference.gauge import gauge
from equiform.ops.gram_difference.gram import gram
from equiform.ops.gram_difference.moments import moments
from equiform.ops.tuned import Tuned


class Crossover(NamedTuple):
    """Where moments overtake tiles of the Gram matrix: from both sizes on.

    Attributes:
        moments_from_n_over_d: points for each dimension.
        moments_from_n: points.
    """

    moments_from_n_over_d: float
    moments_from_n: float


#: By device, written by ``python -m benchmarks.crossovers``. The entry of ``cuda`` is from
#: operation counts and has not been measured.
CROSSOVERS = Tuned(
    Path(__file__).with_name("crossovers.json"), lambda entry: Crossover(**entry), default="cpu"
)


def _triton(a: Tensor, *arguments: Any, **options: Any) -> tuple[Tensor, Tensor, Tensor]:
    require_triton(a)
    kernels = importlib.import_module("equiform.ops.gram_difference.triton_gram")
    return kernels.triton_gram(a, *arguments, **options)


#: Each takes ``(a, b, j)`` and keywords, and returns loss and gradients.
ROUTES: dict[str, Callable[..., tuple[Tensor, Tensor, Tensor]]] = {
    "gauge": gauge,
    "gram": gram,
    "moments": moments,
    "triton": _triton,
}


def choose_route(x: Tensor, *, masked: bool, euclidean: bool) -> str:
    """Moments where there are many more points than dimensions, else tiles of the Gram matrix.

    Args:
        x: one of the two sets of embeddings, ``(c, n, d)``.
        masked: whether single pairs are masked, which moments cannot see.
        euclidean: whether J is the identity, so that the gauge can be fixed.
    """
    n, d = x.shape[-2:]
    crossover = CROSSOVERS.of(x.device)
    many = n >= max(crossover.moments_from_n_over_d * d, crossover.moments_from_n)
    if masked or not many:
        return "triton" if triton_runs(x) else "gram"
    return "gauge" if euclidean and float64_is_slow(x) else "moments"


def float64_is_slow(x: Tensor) -> bool:
    """Whether x is float32 on a GPU with 1/32 of the float32 rate, or less, in float64."""
    if not x.is_cuda or x.dtype != torch.float32:
        return False
    # The data-centre chips of each generation (P100, V100, A100, H100, B200) have fast float64.
    return torch.cuda.get_device_capability(x.device) not in {
        (6, 0),
        (7, 0),
        (8, 0),
        (9, 0),
        (10, 0),
    }
