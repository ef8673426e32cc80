"""What the device can do at most, and the floor that follows for the op."""

from __future__ import annotations

from collections.abc import Callable

import torch

from benchmarks.gpu.options import Options
from benchmarks.timing import graphed, median_ms


def measure_ceilings(options: Options) -> dict[str, float]:
    """What the device can do: bytes/s of a copy, flop/s of products, seconds of a launch."""
    device = options.device
    elements, side = (2**16, 64) if options.rehearse else (2**29, 8192)
    source, one = torch.randn(elements, device=device), torch.zeros(1, device=device)
    target = torch.empty_like(source)
    steps: dict[str, Callable[[], object]] = {
        "copy": lambda: target.copy_(source),
        "launch": graphed(lambda: one.add_(1), repeats=100, device=device),
    }
    for dtype in (torch.float32, torch.float64, torch.bfloat16):
        x, y = torch.randn(2, side, side, device=device, dtype=dtype)
        steps[str(dtype).removeprefix("torch.")] = lambda x=x, y=y: x @ y
    ms = median_ms(steps, seconds=0.02 if options.rehearse else 0.5, device=device)
    return {
        "bytes_per_s": 8 * elements / ms["copy"] * 1e3,  # read and written
        "launch_s": ms["launch"] / 100 / 1e3,
        **{
            f"{name}_flop_per_s": 2 * side**3 / ms[name] * 1e3
            for name in ("float32", "float64", "bfloat16")
        },
    }


def floor_ms(c: int, n: int, d: int, masked: bool, route: str, ceilings: dict[str, float]) -> float:
    """The least that the arithmetic, the bytes or one launch take at the measured ceilings.

    A product as good as float32 costs one of float32, or six of bfloat16, whichever is faster.
    Tiles of the Gram matrix: 8 n² d. Moments: 4 n d² in float64, 8 n d² as good as float32.
    """
    single = max(ceilings["float32_flop_per_s"], ceilings["bfloat16_flop_per_s"] / 6)
    if route == "gauge":
        arithmetic = 12 * c * n * d**2 / single
    elif route == "moments":
        arithmetic = 4 * c * n * d**2 / ceilings["float64_flop_per_s"]
        arithmetic += 8 * c * n * d**2 / single
    else:
        arithmetic = 8 * c * n**2 * d / single
    # Both inputs read for the products and for the gradient, both gradients written.
    traffic = 6 * c * n * d * 4 + (n * n * c if masked else 0)
    return 1e3 * max(arithmetic, traffic / ceilings["bytes_per_s"], ceilings["launch_s"])
