"""Launch parameters of the Triton kernels: data, kept apart from the code that they tune."""

from pathlib import Path
from typing import NamedTuple

from equiform.ops.tuned import Launch


class SmallConfig(NamedTuple):
    """How :mod:`.triton_small` is launched.

    Attributes:
        rows: points of a program.
        depth: coordinates contracted, and of the gradient computed, in a step.
        num_warps, num_stages: as Triton has them.
        input_precision: of ``tl.dot``: ``"ieee"``, ``"tf32x3"``, ``"bf16x6"``, …
    """

    rows: int
    depth: int
    num_warps: int
    num_stages: int = 2
    input_precision: str = "ieee"


class FusedConfig(NamedTuple):
    """How :mod:`.triton_fused` is launched.

    Attributes:
        rows: points of a program.
        columns: points that they meet in a step.
        depth: coordinates contracted in a step.
        width: coordinates of the gradient that a program computes.
        num_warps, num_stages, input_precision: as in :class:`SmallConfig`.
    """

    rows: int
    columns: int
    depth: int
    width: int
    num_warps: int
    num_stages: int = 2
    input_precision: str = "ieee"


class ForwardConfig(NamedTuple):
    """How :mod:`.triton_forward` is launched.

    Attributes:
        side: points on either side of a tile.
        depth: coordinates contracted in a step.
        num_warps, num_stages, input_precision: as in :class:`SmallConfig`.
    """

    side: int
    depth: int
    num_warps: int
    num_stages: int = 2
    input_precision: str = "ieee"


class MomentsConfig(NamedTuple):
    """How :mod:`.triton_moments` is launched.

    Attributes:
        side: rows and columns of a square of M.
        points: points contracted in a step.
        num_warps, num_stages: as in :class:`SmallConfig`.
    """

    side: int
    points: int
    num_warps: int
    num_stages: int = 2


class Configs(NamedTuple):
    """The launch parameters of every kernel; all block sizes are powers of two, at least 16."""

    small: SmallConfig
    fused: FusedConfig
    forward: ForwardConfig
    moments: MomentsConfig


#: Those of ``cuda`` were compiled for sm_90 by Triton 3.6 and 3.7, and none spills registers where
#: rows are contiguous and there is no mask; timings on a GPU have not been taken.
LAUNCH = Launch(
    Path(__file__).with_name("launch.json"),
    lambda kernels: Configs(
        small=SmallConfig(**kernels["small"]),
        fused=FusedConfig(**kernels["fused"]),
        forward=ForwardConfig(**kernels["forward"]),
        moments=MomentsConfig(**kernels["moments"]),
    ),
)
