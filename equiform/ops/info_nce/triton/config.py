"""Launch parameters of the Triton kernels: data, kept apart from the code that they tune.

Block sizes are powers of two, at least 16.
"""

from pathlib import Path
from typing import NamedTuple

from equiform.ops.tuned import Launch


class ForwardConfig(NamedTuple):
    """How the log-partitions are launched."""

    side: int  # rows on either side of a tile of logits
    num_warps: int
    num_stages: int


class GradientConfig(NamedTuple):
    """How the gradient is launched."""

    side: int  # rows of a program
    columns: int  # rows that they meet in a step
    width: int  # coordinates of the gradient that a program computes
    num_warps: int
    num_stages: int


class Configs(NamedTuple):
    """The launch parameters of both kernels."""

    forward: ForwardConfig
    gradient: GradientConfig


#: Those of ``cuda`` are what sm_90 has registers for: at 8 warps ptxas needs 188 in float32 and 219
#: in float64 at most (triton 3.6 and 3.7), and spills none; timings on a GPU have not been taken.
LAUNCH = Launch(Path(__file__).with_name("launch.json"), Configs)
