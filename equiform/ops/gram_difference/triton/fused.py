"""Any number of points: loss and gradients in one pass over tiles of D, which is never stored.

A program owns a block of rows and a slice of the gradient's coordinates, and loops over the blocks
of columns. It alone adds to its part of the gradient: no atomics, the same bits every time. Where
d is wider than one slice, every slice computes D again, which costs arithmetic but no memory.
"""

# Arguments of kernels are pointers and numbers of Triton's own, which have no types here.
# pyright: reportMissingParameterType=false

import torch
import triton
import triton.language as tl

from equiform.ops.gram_difference.problem import Problem, Solution
from equiform.ops.gram_difference.triton.config import FusedConfig
from equiform.ops.gram_difference.triton.launch import ceil_div, launch, operands
from equiform.ops.gram_difference.triton.tiles import (
    accumulate_dot,
    difference_tile,
    load_tile,
    store_gradient,
    weigh,
)


@triton.jit
def _fused_kernel(
    a, b, index, sign, mask, n, d, a_chunk, a_row, a_column, b_chunk, b_row, b_column,
    mask_chunk, mask_row, mask_column, partials, grad_a, grad_b,
    EXCLUDE_DIAGONAL: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr,
    DEPTH: tl.constexpr, WIDTH: tl.constexpr, INPUT_PRECISION: tl.constexpr,
):  # fmt: skip
    # Chunks and blocks share the one axis of the grid that may have more than 65,535 programs.
    program = tl.program_id(0)
    blocks = tl.cdiv(n, ROWS)
    chunk = (program // blocks).to(tl.int64)
    rows = (program % blocks) * ROWS + tl.arange(0, ROWS)
    k = tl.program_id(1) * WIDTH + tl.arange(0, WIDTH)
    a += chunk * a_chunk
    b += chunk * b_chunk
    if mask is not None:
        mask += chunk * mask_chunk

    # Of n² squares, float32 would lose what the partials are kept apart for.
    loss = tl.zeros((ROWS,), tl.float64)
    tile_a = tl.zeros((ROWS, WIDTH), a.dtype.element_ty)
    tile_b = tl.zeros((ROWS, WIDTH), a.dtype.element_ty)
    for first in range(0, n, COLUMNS):
        columns = first + tl.arange(0, COLUMNS)
        difference = difference_tile(
            a, b, index, sign, rows, columns, n, d, a_row, a_column, b_row, b_column, DEPTH,
            INPUT_PRECISION,
        )  # fmt: skip
        difference, weighted = weigh(
            difference, mask, rows, columns, n, mask_row, mask_column, EXCLUDE_DIAGONAL
        )
        loss += tl.sum(weighted * difference, 1)
        points = load_tile(a, columns, k, n, d, a_row, a_column)
        tile_a = accumulate_dot(weighted, points, tile_a, INPUT_PRECISION)
        points = load_tile(b, columns, k, n, d, b_row, b_column)
        tile_b = accumulate_dot(weighted, points, tile_b, INPUT_PRECISION)

    if tl.program_id(1) == 0:
        tl.store(partials + program, tl.sum(loss))
    grad_a += chunk * n * d
    grad_b += chunk * n * d
    store_gradient(grad_a, 4.0 * tile_a, index, sign, rows, k, n, d)
    store_gradient(grad_b, -4.0 * tile_b, index, sign, rows, k, n, d)


def fused(problem: Problem, config: FusedConfig) -> Solution:
    """Loss and gradients for any n and d."""
    a = problem.a
    c, n, d = a.shape
    blocks = ceil_div(n, config.rows)
    partials = a.new_empty(c, blocks, dtype=torch.float64)
    grad_a, grad_b = a.new_empty(c, n, d), a.new_empty(c, n, d)
    grid = c * blocks, ceil_div(d, config.width)
    launch(
        _fused_kernel, grid, config, *operands(problem), partials, grad_a, grad_b,
        EXCLUDE_DIAGONAL=problem.exclude_diagonal,
    )  # fmt: skip
    return partials.sum(1).to(a.dtype), grad_a, grad_b
