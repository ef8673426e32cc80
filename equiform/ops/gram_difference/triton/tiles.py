r"""What the Triton kernels of the Gram difference share: tiles, J and pair weights.

The kernels never form x J. With :math:`J^t = εJ` and :math:`J^2 = εI`, ``index`` is an involution
and ``sign[index[k]] = ε sign[k]``, so that J can stand wherever it is cheapest:

* in :math:`D_{ij} = (a_i J) \cdot a_j - (b_i J) \cdot b_j` it acts on the *row* tile, when that is
  loaded; the tiles of columns, which the inner loop streams, are read as they lie in memory;
* in the gradient it acts on the *result*, when that is stored (see :func:`store_gradient`).

No kernel needs ε: it cancels.
"""

# Arguments of kernels are pointers and numbers of Triton's own, which have no types here.
# pyright: reportMissingParameterType=false

import triton
import triton.language as tl


@triton.jit
def load_tile(x, rows, columns, n, d, row_stride, column_stride):
    """The tile x[rows, columns] of an n×d matrix of any strides, 0 outside of it."""
    inside = (rows < n)[:, None] & (columns < d)[None, :]
    offsets = (
        rows.to(tl.int64)[:, None] * row_stride + columns.to(tl.int64)[None, :] * column_stride
    )
    return tl.load(x + offsets, mask=inside, other=0)


@triton.jit
def accumulate_dot(left, right, total, INPUT_PRECISION: tl.constexpr):
    """total + left @ right. tl.dot adds in float32 unless told otherwise, in float64 too."""
    return tl.dot(left, right, total, input_precision=INPUT_PRECISION, out_dtype=total.dtype)


@triton.jit
def permuted(index, columns, d):
    """index[columns], or the columns themselves where J is diagonal."""
    if index is None:
        return columns
    else:
        # Columns beyond d stay beyond it, where nothing is loaded or stored.
        return tl.load(index + columns, mask=columns < d, other=d)


@triton.jit
def signed(tile, sign, columns, d):
    """The tile with its columns multiplied by sign[columns]."""
    if sign is None:
        return tile
    else:
        return tile * tl.load(sign + columns, mask=columns < d, other=0)[None, :]


@triton.jit
def difference_tile(
    a, b, index, sign, rows, columns, n, d, a_row, a_column, b_row, b_column,
    DEPTH: tl.constexpr, INPUT_PRECISION: tl.constexpr,
):  # fmt: skip
    """D[rows, columns], contracted over DEPTH coordinates at a time; d is not bounded."""
    tile = tl.zeros((rows.shape[0], columns.shape[0]), a.dtype.element_ty)
    for first in range(0, d, DEPTH):
        k = first + tl.arange(0, DEPTH)
        jk = permuted(index, k, d)
        left = signed(load_tile(a, rows, jk, n, d, a_row, a_column), sign, k, d)
        right = load_tile(a, columns, k, n, d, a_row, a_column)
        tile = accumulate_dot(left, tl.trans(right), tile, INPUT_PRECISION)
        left = signed(load_tile(b, rows, jk, n, d, b_row, b_column), sign, k, d)
        right = load_tile(b, columns, k, n, d, b_row, b_column)
        tile = accumulate_dot(-left, tl.trans(right), tile, INPUT_PRECISION)
    return tile


@triton.jit
def weigh(tile, mask, rows, columns, n, mask_row, mask_column, EXCLUDE_DIAGONAL: tl.constexpr):
    r"""D and w ∘ D on a tile, with :math:`w = (m + m^t) / 2`.

    D² is symmetric, whatever ε, so only the symmetric part w of the mask m matters:
    :math:`L = \sum_{ij} w_{ij} D_{ij}^2`. Where w is 0, D is set to 0 rather than multiplied by
    it: an infinite difference that the mask leaves out does not become NaN.
    """
    if EXCLUDE_DIAGONAL:
        tile = tl.where(rows[:, None] == columns[None, :], 0.0, tile)
    if mask is None:
        return tile, tile
    else:
        upper = load_tile(mask, rows, columns, n, n, mask_row, mask_column)
        lower = load_tile(mask, rows, columns, n, n, mask_column, mask_row)
        # As a reduction, not as upper + lower: where a tl.dot of float64 follows elementwise on a
        # load of bytes, Triton 3.6 and 3.7 choose a layout that their code generator refuses.
        twice = tl.sum(tl.join(upper, lower).to(tl.int32), 2)
        tile = tl.where(twice == 0, 0.0, tile)
        return tile, tile * (0.5 * twice.to(tile.dtype))


@triton.jit
def store_gradient(gradient, tile, index, sign, rows, columns, n, d):
    r"""Write J applied to a tile of :math:`G = \sum_j w_{ij} D_{ij} x_j` into the gradient.

    :math:`\partial L/\partial a_i = 2 \sum_j w_{ij} D_{ij} (a_j J^t) + 2 \sum_j w_{ji} D_{ji}
    (a_j J)`, and since :math:`J^t = εJ`, :math:`D_{ji} = ε D_{ij}` and w is symmetric this is
    :math:`4ε\, G J`. Column k of G goes to column index[k] of G J, with the sign
    sign[index[k]] = ε sign[k]. The two ε cancel; the caller has multiplied the tile by 4, or by
    -4 for b. The gradient is contiguous. Every entry is written, because index is a bijection.
    """
    inside = (rows < n)[:, None] & (columns < d)[None, :]
    target = rows.to(tl.int64)[:, None] * d + permuted(index, columns, d)[None, :]
    tl.store(gradient + target, signed(tile, sign, columns, d), mask=inside)


@triton.jit
def unordered_pair(t, blocks):
    """The t-th of the blocks (blocks + 1) / 2 unordered pairs of blocks, each of them once.

    Pairs are counted by their cyclic distance t // blocks, so that integers alone decide:
    distances below blocks / 2 have ``blocks`` pairs each, and the distance blocks / 2 of an even
    number has the first half of them. The first ``blocks`` pairs are those of a block with itself.
    """
    first = t % blocks
    return first, (first + t // blocks) % blocks
