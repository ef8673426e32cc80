"""Launch parameters of the Triton kernels: data, kept apart from the code that they tune."""

from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from equiform.ops.tuned import Tuned


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


def _parse(entry: dict[str, Any]) -> dict[str, list[tuple[float, Configs]]]:
    return {
        dtype: [
            (
                float(widest),
                Configs(
                    small=SmallConfig(**kernels["small"]),
                    fused=FusedConfig(**kernels["fused"]),
                    forward=ForwardConfig(**kernels["forward"]),
                    moments=MomentsConfig(**kernels["moments"]),
                ),
            )
            for widest, kernels in by_width.items()
        ]
        for dtype, by_width in entry.items()
    }


#: By device, dtype of the embeddings and the largest d that an entry is for, narrow before wide.
#: Those of ``cuda`` were compiled for sm_90 by Triton 3.6 and 3.7, and none spills registers where
#: rows are contiguous and there is no mask; timings on a GPU have not been taken.
LAUNCH = Tuned(Path(__file__).with_name("launch.json"), _parse, default="cuda")


def configs_for(x: Tensor) -> Configs:
    """The launch parameters for embeddings ``(..., d)``, on their device."""
    table = LAUNCH.of(x.device)[str(x.dtype).removeprefix("torch.")]
    return next(configs for widest, configs in table if x.shape[-1] <= widest)
