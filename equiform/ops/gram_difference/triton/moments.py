r"""Second moments :math:`M = Z^t Z` of Z = [A, B] in float64, by splitting the points.

M is small and n is large, so one program a square of M would leave most of a GPU idle. Each square
is shared by several programs, a range of points each, that write to a workspace; a second kernel
adds up the ranges in their order. Only squares of unordered pairs of blocks are computed.
"""

# Arguments of kernels are pointers and numbers of Triton's own, which have no types here.
# pyright: reportMissingParameterType=false

import torch
import triton
import triton.language as tl
from torch import Tensor

from equiform.ops.gram_difference.triton.config import LAUNCH, MomentsConfig
from equiform.ops.gram_difference.triton.launch import ceil_div, launch
from equiform.ops.gram_difference.triton.tiles import accumulate_dot, load_tile, unordered_pair

#: Programs to aim at, some for each of the 132 multiprocessors of a large GPU, and points that are
#: worth a program of their own. Constants, so that the ranges do not depend on the device.
TARGET_PROGRAMS = 512
MIN_POINTS = 256


@triton.jit
def _load_points(a, b, rows, columns, n, d, a_row, a_column, b_row, b_column):
    """Z[rows, columns] in float64: a column beyond d is one of b. The lanes of the other load 0."""
    # A negative column would be inside of b: those below d go beyond its end.
    of_b = tl.where(columns < d, d, columns - d)
    left = load_tile(a, rows, columns, n, d, a_row, a_column)
    right = load_tile(b, rows, of_b, n, d, b_row, b_column)
    return (left + right).to(tl.float64)


@triton.jit
def _partial_kernel(
    a, b, workspace, n, d, points, a_chunk, a_row, a_column, b_chunk, b_row, b_column,
    SIDE: tl.constexpr, POINTS: tl.constexpr,
):  # fmt: skip
    chunk = tl.program_id(0).to(tl.int64)
    square = tl.program_id(1)
    split = tl.program_id(2)
    a += chunk * a_chunk
    b += chunk * b_chunk

    blocks = tl.cdiv(2 * d, SIDE)
    i, j = unordered_pair(square, blocks)
    k = tl.arange(0, SIDE)
    last = tl.minimum(n, (split + 1) * points)
    total = tl.zeros((SIDE, SIDE), tl.float64)
    for first in range(split * points, last, POINTS):
        rows = first + tl.arange(0, POINTS)
        left = _load_points(a, b, rows, i * SIDE + k, last, d, a_row, a_column, b_row, b_column)
        right = _load_points(a, b, rows, j * SIDE + k, last, d, a_row, a_column, b_row, b_column)
        total = accumulate_dot(tl.trans(left), right, total, "ieee")

    slot = (chunk * tl.num_programs(1) + square) * tl.num_programs(2) + split
    tl.store(workspace + slot * SIDE * SIDE + k[:, None] * SIDE + k[None, :], total)


@triton.jit
def _reduce_kernel(workspace, moments, d, splits, SIDE: tl.constexpr, POINTS: tl.constexpr):
    chunk = tl.program_id(0).to(tl.int64)
    square = tl.program_id(1)
    k = tl.arange(0, SIDE)
    slot = (chunk * tl.num_programs(1) + square) * splits
    partial = workspace + slot * SIDE * SIDE + k[:, None] * SIDE + k[None, :]
    total = tl.zeros((SIDE, SIDE), tl.float64)
    for _ in range(splits):
        total += tl.load(partial)
        partial += SIDE * SIDE

    blocks = tl.cdiv(2 * d, SIDE)
    i, j = unordered_pair(square, blocks)
    rows = (i * SIDE + k).to(tl.int64)[:, None]
    columns = (j * SIDE + k).to(tl.int64)[None, :]
    inside = (rows < 2 * d) & (columns < 2 * d)
    moments += chunk * 4 * d * d
    tl.store(moments + rows * 2 * d + columns, total, mask=inside)
    # The mirror image of a square on the diagonal is that square.
    tl.store(moments + columns * 2 * d + rows, total, mask=inside & (i != j))


def moments(
    a: Tensor, b: Tensor, *, config: MomentsConfig | None = None, splits: int | None = None
) -> Tensor:
    r"""The moments :math:`[A, B]^t [A, B]` of each chunk.

    Args:
        a, b: shape ``(c, n, d)``, float32 or float64, any strides.
        config: launch parameters; those of the device where None.
        splits: ranges of points that are added up apart; chosen by the shapes where None.

    Returns:
        Shape ``(c, 2d, 2d)``, in float64 throughout, symmetric off the squares on its diagonal.
    """
    c, n, d = a.shape
    config = config or LAUNCH.configs_for(a).moments
    side = config.side
    blocks = ceil_div(2 * d, side)
    squares = blocks * (blocks + 1) // 2
    if splits is None:
        splits = min(ceil_div(n, MIN_POINTS), ceil_div(TARGET_PROGRAMS, max(1, c * squares)))
    splits = max(1, splits)
    workspace = a.new_empty(c, squares, splits, side, side, dtype=torch.float64)
    result = a.new_empty(c, 2 * d, 2 * d, dtype=torch.float64)
    launch(
        _partial_kernel, (c, squares, splits), config, a, b, workspace, n, d,
        ceil_div(n, splits), *a.stride(), *b.stride(),
    )  # fmt: skip
    launch(_reduce_kernel, (c, squares), config, workspace, result, d, splits)
    return result
