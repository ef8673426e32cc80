"""At most 64 points a chunk: loss and gradients of all chunks in one launch.

Training with chunks of 16 points spends its time on launches, not on arithmetic. A program owns a
block of rows against *all* points of its chunk, so its strip of D is complete before the gradient
begins: D is computed once, and d is not bounded.
"""

import triton
import triton.language as tl
from torch import Tensor

from equiform.ops.gram_difference.signed_permutation import SignedPermutation
from equiform.ops.gram_difference.triton_config import SmallConfig
from equiform.ops.gram_difference.triton_launch import ceil_div, launch, operands
from equiform.ops.gram_difference.triton_tiles import (
    difference_tile,
    load_tile,
    store_gradient,
    weigh,
)

#: Points of a chunk that one strip of D takes in.
MAX_POINTS = 64


@triton.jit
def _small_kernel(
    a,
    b,
    index,
    sign,
    mask,
    n,
    d,
    a_chunk,
    a_row,
    a_column,
    b_chunk,
    b_row,
    b_column,
    mask_chunk,
    mask_row,
    mask_column,
    partials,
    grad_a,
    grad_b,
    EXCLUDE_DIAGONAL: tl.constexpr,
    BLOCK_M: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_D: tl.constexpr,
    PRECISION: tl.constexpr,
):
    chunk = tl.program_id(0).to(tl.int64)
    block = tl.program_id(1)
    a += chunk * a_chunk
    b += chunk * b_chunk
    if mask is not None:
        mask += chunk * mask_chunk

    rows = block * BLOCK_M + tl.arange(0, BLOCK_M)
    columns = tl.arange(0, BLOCK_N)
    difference = difference_tile(
        a, b, index, sign, rows, columns, n, d, a_row, a_column, b_row, b_column, BLOCK_D, PRECISION
    )  # fmt: skip
    difference, weighted = weigh(
        difference, mask, rows, columns, n, mask_row, mask_column, EXCLUDE_DIAGONAL
    )
    tl.store(partials + chunk * tl.num_programs(1) + block, tl.sum(weighted * difference))

    if grad_a is not None:
        grad_a += chunk * n * d
        grad_b += chunk * n * d
        weighted *= 4.0
        for first in range(0, d, BLOCK_D):
            k = first + tl.arange(0, BLOCK_D)
            points = load_tile(a, columns, k, n, d, a_row, a_column)
            tile = tl.dot(weighted, points, input_precision=PRECISION)
            store_gradient(grad_a, tile, index, sign, rows, k, n, d)
            points = load_tile(b, columns, k, n, d, b_row, b_column)
            tile = tl.dot(-weighted, points, input_precision=PRECISION)
            store_gradient(grad_b, tile, index, sign, rows, k, n, d)


def small(
    a: Tensor,
    b: Tensor,
    j: SignedPermutation,
    *,
    exclude_diagonal: bool,
    mask: Tensor | None,
    need_grad: bool,
    config: SmallConfig,
) -> tuple[Tensor, Tensor, Tensor]:
    """Loss and gradients where n ≤ 64; see :func:`.triton_gram.triton_gram`."""
    c, n, d = a.shape
    blocks = ceil_div(n, config.rows)
    partials = a.new_empty(c, blocks)
    grads = [a.new_empty(c, n, d) for _ in (a, b)] if need_grad else [None, None]
    launch(
        _small_kernel,
        (c, blocks),
        *operands(a, b, j, mask),
        partials,
        *grads,
        EXCLUDE_DIAGONAL=exclude_diagonal,
        BLOCK_M=config.rows,
        BLOCK_N=max(16, triton.next_power_of_2(n)),
        BLOCK_D=config.depth,
        PRECISION=config.input_precision,
        num_warps=config.num_warps,
        num_stages=config.num_stages,
    )
    # Of one block the partial is the loss: no second launch.
    loss = partials.squeeze(1) if blocks == 1 else partials.sum(1)
    grad_a, grad_b = (a.new_empty(0) if grad is None else grad for grad in grads)
    return loss, grad_a, grad_b
