"""Launch parameters of the Triton kernels: data, kept apart from the code that they tune.

Block sizes are powers of two, at least 16; ``num_warps`` and ``num_stages`` are as Triton has them,
``input_precision`` is that of ``tl.dot``: ``"ieee"``, ``"tf32x3"``, ``"bf16x6"``, …
"""

from pathlib import Path
from typing import NamedTuple

from equiform.ops.tuned import Launch


class SmallConfig(NamedTuple):
    """How :mod:`.small` is launched."""

    rows: int  # points of a program
    depth: int  # coordinates contracted, and of the gradient computed, in a step
    num_warps: int
    num_stages: int = 2
    input_precision: str = "ieee"


class FusedConfig(NamedTuple):
    """How :mod:`.fused` is launched."""

    rows: int  # points of a program
    columns: int  # points that they meet in a step
    depth: int  # coordinates contracted in a step
    width: int  # coordinates of the gradient that a program computes
    num_warps: int
    num_stages: int = 2
    input_precision: str = "ieee"


class ForwardConfig(NamedTuple):
    """How :mod:`.forward` is launched."""

    side: int  # points on either side of a tile
    depth: int  # coordinates contracted in a step
    num_warps: int
    num_stages: int = 2
    input_precision: str = "ieee"


class MomentsConfig(NamedTuple):
    """How :mod:`.moments` is launched."""

    side: int  # rows and columns of a square of M
    points: int  # points contracted in a step
    num_warps: int
    num_stages: int = 2


class Configs(NamedTuple):
    """The launch parameters of every kernel."""

    small: SmallConfig
    fused: FusedConfig
    forward: ForwardConfig
    moments: MomentsConfig


#: Those of ``cuda`` were compiled for sm_90 by Triton 3.6 and 3.7, and none spills registers where
#: rows are contiguous and there is no mask; timings on a GPU have not been taken.
LAUNCH = Launch(Path(__file__).with_name("launch.json"), Configs)
