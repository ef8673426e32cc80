"""At most 64 points a chunk: loss and gradients of all chunks in one launch.

Training with chunks of 16 points spends its time on launches, not on arithmetic. A program owns a
block of rows against *all* points of its chunk, so its strip of D is complete before the gradient
begins: D is computed once, and d is not bounded.
"""

# Arguments of kernels are pointers and numbers of Triton's own, which have no types here.
# pyright: reportMissingParameterType=false

import triton
import triton.language as tl

from equiform.ops.gram_difference.problem import Problem, Solution
from equiform.ops.gram_difference.triton.config import SmallConfig
from equiform.ops.gram_difference.triton.launch import ceil_div, launch, operands
from equiform.ops.gram_difference.triton.tiles import (
    difference_tile,
    load_tile,
    store_gradient,
    weigh,
)

#: Points of a chunk that one strip of D takes in.
MAX_POINTS = 64


@triton.jit
def _small_kernel(
    a, b, index, sign, mask, n, d, a_chunk, a_row, a_column, b_chunk, b_row, b_column,
    mask_chunk, mask_row, mask_column, partials, grad_a, grad_b,
    EXCLUDE_DIAGONAL: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr,
    DEPTH: tl.constexpr, INPUT_PRECISION: tl.constexpr,
):  # fmt: skip
    chunk = tl.program_id(0).to(tl.int64)
    block = tl.program_id(1)
    a += chunk * a_chunk
    b += chunk * b_chunk
    if mask is not None:
        mask += chunk * mask_chunk

    rows = block * ROWS + tl.arange(0, ROWS)
    columns = tl.arange(0, COLUMNS)
    difference = difference_tile(
        a, b, index, sign, rows, columns, n, d, a_row, a_column, b_row, b_column, DEPTH,
        INPUT_PRECISION,
    )  # fmt: skip
    difference, weighted = weigh(
        difference, mask, rows, columns, n, mask_row, mask_column, EXCLUDE_DIAGONAL
    )
    tl.store(partials + chunk * tl.num_programs(1) + block, tl.sum(weighted * difference))

    if grad_a is not None:
        grad_a += chunk * n * d
        grad_b += chunk * n * d
        weighted *= 4.0
        for first in range(0, d, DEPTH):
            k = first + tl.arange(0, DEPTH)
            points = load_tile(a, columns, k, n, d, a_row, a_column)
            tile = tl.dot(weighted, points, input_precision=INPUT_PRECISION)
            store_gradient(grad_a, tile, index, sign, rows, k, n, d)
            points = load_tile(b, columns, k, n, d, b_row, b_column)
            tile = tl.dot(-weighted, points, input_precision=INPUT_PRECISION)
            store_gradient(grad_b, tile, index, sign, rows, k, n, d)


def small(problem: Problem, config: SmallConfig) -> Solution:
    """Loss and gradients where n ≤ 64."""
    a = problem.a
    c, n, d = a.shape
    blocks = ceil_div(n, config.rows)
    partials = a.new_empty(c, blocks)
    grads = [a.new_empty(c, n, d) if problem.need_grad else None for _ in range(2)]
    launch(
        _small_kernel, (c, blocks), config, *operands(problem), partials, *grads,
        EXCLUDE_DIAGONAL=problem.exclude_diagonal, COLUMNS=max(16, triton.next_power_of_2(n)),
    )  # fmt: skip
    # Of one block the partial is the loss: no second launch.
    loss = partials.squeeze(1) if blocks == 1 else partials.sum(1)
    grad_a, grad_b = (a.new_empty(0) if grad is None else grad for grad in grads)
    return loss, grad_a, grad_b
