r"""Second moments :math:`M = Z^t Z` of Z = [A, B] in float64, by splitting the points.

M is small and n is large, so one program a square of M would leave most of a GPU idle. Each square
is shared by several programs, a range of points each, that write to a workspace; a second kernel
adds up the ranges in their order. Only squares of unordered pairs of blocks are computed.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from equiform.ops.gram_difference.triton_config import MomentsConfig
from equiform.ops.gram_difference.triton_launch import ceil_div, launch
from equiform.ops.gram_difference.triton_tiles import accumulate_dot, load_tile, unordered_pair

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
    a,
    b,
    workspace,
    n,
    d,
    points,
    a_chunk,
    a_row,
    a_column,
    b_chunk,
    b_row,
    b_column,
    BLOCK: tl.constexpr,
    BLOCK_N: tl.constexpr,
):
    chunk = tl.program_id(0).to(tl.int64)
    square = tl.program_id(1)
    split = tl.program_id(2)
    a += chunk * a_chunk
    b += chunk * b_chunk

    blocks = tl.cdiv(2 * d, BLOCK)
    i, j = unordered_pair(square, blocks)
    k = tl.arange(0, BLOCK)
    last = tl.minimum(n, (split + 1) * points)
    total = tl.zeros((BLOCK, BLOCK), tl.float64)
    for first in range(split * points, last, BLOCK_N):
        rows = first + tl.arange(0, BLOCK_N)
        left = _load_points(a, b, rows, i * BLOCK + k, last, d, a_row, a_column, b_row, b_column)
        right = _load_points(a, b, rows, j * BLOCK + k, last, d, a_row, a_column, b_row, b_column)
        total = accumulate_dot(tl.trans(left), right, total, "ieee")

    slot = (chunk * tl.num_programs(1) + square) * tl.num_programs(2) + split
    tl.store(workspace + slot * BLOCK * BLOCK + k[:, None] * BLOCK + k[None, :], total)


@triton.jit
def _reduce_kernel(workspace, moments, d, splits, BLOCK: tl.constexpr):
    chunk = tl.program_id(0).to(tl.int64)
    square = tl.program_id(1)
    k = tl.arange(0, BLOCK)
    slot = (chunk * tl.num_programs(1) + square) * splits
    partial = workspace + slot * BLOCK * BLOCK + k[:, None] * BLOCK + k[None, :]
    total = tl.zeros((BLOCK, BLOCK), tl.float64)
    for _ in range(splits):
        total += tl.load(partial)
        partial += BLOCK * BLOCK

    blocks = tl.cdiv(2 * d, BLOCK)
    i, j = unordered_pair(square, blocks)
    rows = (i * BLOCK + k).to(tl.int64)[:, None]
    columns = (j * BLOCK + k).to(tl.int64)[None, :]
    inside = (rows < 2 * d) & (columns < 2 * d)
    moments += chunk * 4 * d * d
    tl.store(moments + rows * 2 * d + columns, total, mask=inside)
    # The mirror image of a square on the diagonal is that square.
    tl.store(moments + columns * 2 * d + rows, total, mask=inside & (i != j))


def moments(a: Tensor, b: Tensor, *, config: MomentsConfig, splits: int | None = None) -> Tensor:
    r"""The moments :math:`[A, B]^t [A, B]` of each chunk.

    Args:
        a, b: shape ``(c, n, d)``, float32 or float64, any strides.
        config: launch parameters.
        splits: ranges of points that are added up apart; chosen by the shapes where None.

    Returns:
        Shape ``(c, 2d, 2d)``, float64, exactly symmetric off the squares on its diagonal. Products
        and sums are in float64: what float32 embeddings hold is not rounded again.
    """
    c, n, d = a.shape
    side = config.side
    blocks = ceil_div(2 * d, side)
    squares = blocks * (blocks + 1) // 2
    if splits is None:
        splits = min(ceil_div(n, MIN_POINTS), ceil_div(TARGET_PROGRAMS, max(1, c * squares)))
    splits = max(1, splits)
    workspace = a.new_empty(c, squares, splits, side, side, dtype=torch.float64)
    result = a.new_empty(c, 2 * d, 2 * d, dtype=torch.float64)
    meta = {"BLOCK": side, "num_warps": config.num_warps, "num_stages": config.num_stages}
    launch(
        _partial_kernel,
        (c, squares, splits),
        a,
        b,
        workspace,
        n,
        d,
        ceil_div(n, splits),
        *a.stride(),
        *b.stride(),
        BLOCK_N=config.points,
        **meta,
    )
    launch(_reduce_kernel, (c, squares), workspace, result, d, splits, **meta)
    return result
