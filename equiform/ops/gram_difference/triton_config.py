"""Launch parameters of the Triton kernels: data, kept apart from the code that they tune."""

import math
from typing import NamedTuple

import torch


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


#: By the dtype of the embeddings and the largest d that an entry is for; narrow before wide.
#: Compiled for sm_90 by Triton 3.6 and 3.7, none of them spills registers where rows are
#: contiguous and there is no mask; timings on a GPU have not been taken.
TABLE: dict[tuple[torch.dtype, float], Configs] = {
    (torch.float32, 32): Configs(
        small=SmallConfig(rows=16, depth=32, num_warps=4),
        fused=FusedConfig(rows=64, columns=32, depth=32, width=32, num_warps=8),
        forward=ForwardConfig(side=64, depth=32, num_warps=8),
        moments=MomentsConfig(side=32, points=32, num_warps=4),
    ),
    (torch.float32, math.inf): Configs(
        small=SmallConfig(rows=16, depth=32, num_warps=4),
        fused=FusedConfig(rows=64, columns=32, depth=32, width=64, num_warps=8),
        forward=ForwardConfig(side=64, depth=32, num_warps=8),
        moments=MomentsConfig(side=64, points=16, num_warps=8),
    ),
    (torch.float64, 32): Configs(
        small=SmallConfig(rows=16, depth=32, num_warps=4),
        fused=FusedConfig(rows=32, columns=32, depth=16, width=32, num_warps=8),
        forward=ForwardConfig(side=64, depth=16, num_warps=8),
        moments=MomentsConfig(side=32, points=16, num_warps=4),
    ),
    (torch.float64, math.inf): Configs(
        small=SmallConfig(rows=16, depth=32, num_warps=4),
        fused=FusedConfig(rows=32, columns=32, depth=16, width=64, num_warps=8),
        forward=ForwardConfig(side=64, depth=16, num_warps=8),
        moments=MomentsConfig(side=64, points=16, num_warps=8),
    ),
}


def configs_for(dtype: torch.dtype, d: int) -> Configs:
    """The launch parameters for embeddings of d coordinates."""
    return next(configs for (t, widest), configs in TABLE.items() if t == dtype and d <= widest)
