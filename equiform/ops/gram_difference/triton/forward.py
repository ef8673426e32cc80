"""The loss alone: one tile of D for each unordered pair of blocks, half the work of all pairs.

D² is symmetric, and so is the weight that a mask gives it, because only its symmetric part counts
(:func:`.tiles.weigh`). So a tile and its mirror image add the same, under any mask: the
tiles off the diagonal count twice and their mirror images are left out.
"""

# Arguments of kernels are pointers and numbers of Triton's own, which have no types here.
# pyright: reportMissingParameterType=false

import torch
import triton
import triton.language as tl
from torch import Tensor

from equiform.ops.gram_difference.problem import Problem
from equiform.ops.gram_difference.triton.config import ForwardConfig
from equiform.ops.gram_difference.triton.launch import ceil_div, launch, operands
from equiform.ops.gram_difference.triton.tiles import (
    difference_tile,
    unordered_pair,
    weigh,
)

#: Programs of a chunk at most; beyond that, each computes several tiles. It bounds the partials,
#: of which there would else be O(n²).
MAX_PROGRAMS = 8192


@triton.jit
def _forward_kernel(
    a, b, index, sign, mask, n, d, a_chunk, a_row, a_column, b_chunk, b_row, b_column,
    mask_chunk, mask_row, mask_column, partials, EXCLUDE_DIAGONAL: tl.constexpr,
    SIDE: tl.constexpr, DEPTH: tl.constexpr, INPUT_PRECISION: tl.constexpr,
):  # fmt: skip
    chunk = tl.program_id(0).to(tl.int64)
    program = tl.program_id(1)
    programs = tl.num_programs(1)
    a += chunk * a_chunk
    b += chunk * b_chunk
    if mask is not None:
        mask += chunk * mask_chunk

    blocks = tl.cdiv(n, SIDE)
    loss = tl.zeros((SIDE,), tl.float64)
    for t in range(program, blocks * (blocks + 1) // 2, programs):
        i, j = unordered_pair(t, blocks)
        rows = i * SIDE + tl.arange(0, SIDE)
        columns = j * SIDE + tl.arange(0, SIDE)
        difference = difference_tile(
            a, b, index, sign, rows, columns, n, d, a_row, a_column, b_row, b_column, DEPTH,
            INPUT_PRECISION,
        )  # fmt: skip
        difference, weighted = weigh(
            difference, mask, rows, columns, n, mask_row, mask_column, EXCLUDE_DIAGONAL
        )
        loss += tl.where(i == j, 1.0, 2.0) * tl.sum(weighted * difference, 1)
    tl.store(partials + chunk * programs + program, tl.sum(loss))


def forward(problem: Problem, config: ForwardConfig, *, max_programs: int = MAX_PROGRAMS) -> Tensor:
    """The loss for any n and d, shape ``(c,)``."""
    c, n, _ = problem.a.shape
    blocks = ceil_div(n, config.side)
    programs = min(blocks * (blocks + 1) // 2, max_programs)
    partials = problem.a.new_empty(c, programs, dtype=torch.float64)
    launch(
        _forward_kernel, (c, programs), config, *operands(problem), partials,
        EXCLUDE_DIAGONAL=problem.exclude_diagonal,
    )  # fmt: skip
    return partials.sum(1).to(problem.a.dtype)
