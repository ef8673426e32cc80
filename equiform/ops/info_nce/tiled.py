r"""The log-partition op over row tiles: BLAS into buffers that are reused, nothing m×m stored.

With :math:`s_{ij} = \langle x_i, x_j\rangle`, pairs inside a group left out of every sum, and
:math:`P_{ij} = e^{s_{ij} - \ell_i}` the softmax of row i, a loss that depends on the rows'
log-partitions with derivatives :math:`w_i = \partial L / \partial \ell_i` has

.. math:: \frac{\partial L}{\partial x_i} = \sum_j (w_i P_{ij} + w_j P_{ji}) x_j,
          \qquad P_{ji} = e^{s_{ij} - \ell_j},

because :math:`s_{ij}` is symmetric: row i occurs as a row and as a column. So the gradient of a
row needs its own logits, computed again, and the log-partitions of all rows, m numbers. A tile, or
a process that holds some of the rows, needs nothing from another to own its part of the gradient.
"""

from __future__ import annotations

import torch
from torch import Tensor

#: Logits in a tile: two buffers of them stay in the cache.
TILE = 2**18
#: A tile has at least this many rows, or BLAS slows down.
MIN_ROWS = 64


def tiles(rows: range, m: int, group: int) -> list[slice]:
    """Consecutive parts of ``rows``, the longest first, whose logits against m columns make a tile.

    Each part holds whole groups. The memory of a tile is linear in m.
    """
    step = -(-max(MIN_ROWS, TILE // m) // group) * group  # rounded up
    starts = range(rows.start, rows.stop, step)
    return [slice(start, min(start + step, rows.stop)) for start in starts]


def log_partition(x: Tensor, group: int, rows: range) -> Tensor:
    """Log-partition of some rows of x among all, ``(m, d) -> (len(rows),)``."""
    finite = torch.finfo(x.dtype)
    parts, (buffer,) = [], _buffers(1, x, rows, group)
    for i in tiles(rows, len(x), group):
        logits = torch.mm(x[i], x.mT, out=buffer[: i.stop - i.start])
        _own_groups(logits, i, group).fill_(-torch.inf)
        # Clamped: an empty row, or one that overflows, would give inf - inf.
        peak = logits.amax(-1, keepdim=True).clamp_(finite.min, finite.max)
        parts.append(logits.sub_(peak).exp_().sum(-1).log_().add_(peak[:, 0]))
    return torch.cat(parts)


def gradient(x: Tensor, partition: Tensor, weight: Tensor, group: int, rows: range) -> Tensor:
    """The sum over j of the module's docstring for some rows, from ℓ and w of all, ``(r, d)``."""
    parts, buffers = [], _buffers(2, x, rows, group)
    for i in tiles(rows, len(x), group):
        p, q = _softmax_pair(x, partition, group, i, buffers)
        # Not in place: there may be a batch of weights.
        parts.append((p * weight[i, None]).addcmul_(q, weight) @ x)
    return torch.cat(parts)


def gradient_vjp(
    x: Tensor, partition: Tensor, weight: Tensor, v: Tensor, group: int
) -> tuple[Tensor, Tensor]:
    r"""Derivatives of ⟨v, gradient⟩ in x, ℓ and w held apart: what a second backward needs.

    .. math:: \Big\langle v, \frac{\partial L}{\partial x}\Big\rangle = \sum_{ij} w_i P_{ij}
              \dot s_{ij}, \qquad \dot s_{ij} = \langle v_i, x_j\rangle + \langle x_i, v_j\rangle

    is linear in w, has ℓ in :math:`P_{ij}` alone, and x in :math:`P_{ij}` and
    :math:`\dot s_{ij}`, both through row and column.

    Returns:
        The derivative in x, :math:`\sum_j (w_i P_{ij} + w_j P_{ji}) (v_j + \dot s_{ij} x_j)`, shape
        ``(m, d)``; and that in w, :math:`\dot\ell_i = \sum_j P_{ij} \dot s_{ij}`, shape ``(m,)``.
        The derivative in ℓ is :math:`-w_i \dot\ell_i`.
    """
    rows = range(len(x))
    slopes, parts, buffers = [], [], _buffers(2, x, rows, group)
    for i in tiles(rows, len(x), group):
        p, q = _softmax_pair(x, partition, group, i, buffers)
        # Not in place: there may be a batch of v, or of weights.
        change = v[i] @ x.mT + x[i] @ v.mT
        slopes.append((p * change).sum(-1))
        both = (p * weight[i, None]).addcmul_(q, weight)
        parts.append(both @ v + (change * both) @ x)
    return torch.cat(parts), torch.cat(slopes)


def _softmax_pair(
    x: Tensor, partition: Tensor, group: int, i: slice, buffers: list[Tensor]
) -> tuple[Tensor, Tensor]:
    """P_ij and P_ji of a tile's rows i and all j, written to the buffers; 0 inside a group."""
    p, q = (buffer[: i.stop - i.start] for buffer in buffers)
    torch.mm(x[i], x.mT, out=p)
    torch.sub(p, partition, out=q).exp_()
    p.sub_(partition[i, None]).exp_()
    # Zeroed after the exponential: a row without other groups has ℓ = -inf.
    _own_groups(p, i, group).zero_()
    _own_groups(q, i, group).zero_()
    return p, q


def _own_groups(tile: Tensor, i: slice, group: int) -> Tensor:
    """A view of the pairs inside a group, shape ``(group, group, rows of the tile / group)``."""
    blocks = tile[:, i].unflatten(0, (-1, group)).unflatten(-1, (-1, group))
    return blocks.diagonal(dim1=0, dim2=2)


def _buffers(count: int, x: Tensor, rows: range, group: int) -> list[Tensor]:
    """Memory for the logits of one tile, to be used by all."""
    first = tiles(rows, len(x), group)[0]
    return [x.new_empty(first.stop - first.start, len(x)) for _ in range(count)]
