"""Launch parameters of the Triton kernels: data, kept apart from the code that they tune."""

from pathlib import Path
from typing import NamedTuple

from equiform.ops.tuned import Launch


class ForwardConfig(NamedTuple):
    """How the log-partitions are launched.

    Attributes:
        side: rows on either side of a tile of logits.
        num_warps, num_stages: as Triton has them.
    """

    side: int
    num_warps: int
    num_stages: int


class GradientConfig(NamedTuple):
    """How the gradient is launched.

    Attributes:
        side: rows of a program.
        columns: rows that they meet in a step.
        width: coordinates of the gradient that a program computes.
        num_warps, num_stages: as Triton has them.
    """

    side: int
    columns: int
    width: int
    num_warps: int
    num_stages: int


class Configs(NamedTuple):
    """The launch parameters of both kernels; all block sizes are powers of two, at least 16."""

    forward: ForwardConfig
    gradient: GradientConfig


#: Those of ``cuda`` are what sm_90 has registers for: at 8 warps ptxas needs 188 in float32 and 219
#: in float64 at most (triton 3.6 and 3.7), and spills none; timings on a GPU have not been taken.
LAUNCH = Launch(
    Path(__file__).with_name("launch.json"),
    lambda kernels: Configs(
        ForwardConfig(**kernels["forward"]), GradientConfig(**kernels["gradient"])
    ),
)
