"""Learning rates over a run: factors of the base rate by step, for ``LambdaLR``.

They are functions of the step alone, so that a checkpoint need hold nothing but the step.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence


def cosine(steps: int, *, warmup: int = 0) -> Callable[[int], float]:
    """Rise linearly over the first `warmup` steps, then fall to zero as half a cosine.

    Args:
        steps: of the whole run, positive.
        warmup: how many of them rise, fewer than `steps`.

    Raises:
        ValueError: `warmup` is not in [0, steps).

    Source: Loshchilov & Hutter, "SGDR", ICLR 2017, without restarts; the warm-up of Goyal et al.
    2017.
    """
    if not 0 <= warmup < steps:
        raise ValueError(f"warmup must be in [0, steps), got warmup={warmup}, steps={steps}")

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        return (1 + math.cos(math.pi * min(1.0, (step - warmup) / (steps - warmup)))) / 2

    return factor


def multistep(milestones: Sequence[int], *, factor: float = 0.1) -> Callable[[int], float]:
    """Multiply by `factor` at each milestone.

    Args:
        milestones: steps, ascending.
        factor: positive.

    Raises:
        ValueError: the milestones do not ascend.
    """
    if list(milestones) != sorted(milestones):
        raise ValueError(f"milestones must ascend, got {list(milestones)}")
    return lambda step: factor ** bisect_right(milestones, step)
