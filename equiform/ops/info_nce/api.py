"""The log-partition op: arguments checked, then one of its implementations."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

from equiform._options import check_choice, check_count, check_flag
from equiform._points import at_least, check_points
from equiform._precision import full_precision
from equiform.ops.distributed import gather_rows, rows_of_ranks, together, unagreed, world_size
from equiform.ops.info_nce import autograd, reference, similarity
from equiform.ops.info_nce.gathered import GatheredLogPartition
from equiform.ops.overflow import infinite_overflow

#: How log-partitions are computed; see :func:`log_partition`.
Backend = Literal["auto", "reference", "tiled", "triton"]


@full_precision
def log_partition(
    x: Tensor,
    *,
    group: int = 1,
    score: similarity.Similarity | None = None,
    gather_distributed: bool = False,
    backend: Backend = "auto",
) -> Tensor:
    r"""Log-partition of every row: what a contrastive loss sums over its negatives.

    .. math:: \ell_i = \log \sum_{j \notin g(i)} e^{s(x_i, x_j)}

    g(i) are the ``group`` consecutive rows that row i belongs to: itself, or with ``group=2``
    and interleaved views itself and its partner. It is -inf where there is no other group. Memory
    is linear in m, in the backward pass too.

    Args:
        x: rows, shape ``(m, d)``, m a multiple of ``group``; half precision is computed
            in float32.
        group: size of the groups.
        score: s, differentiable, ``(r, d), (m, d) -> (r, m)``; the inner product unless given.
            Its own parameters get gradients too.
        gather_distributed: run over the rows of all ranks, which may hold any number of them, 0
            too. Every rank must compute the same from the result; the gradient of its rows is
            then world size times the true one, which DistributedDataParallel averages to it.
        backend: ``"tiled"``, row tiles over BLAS; ``"triton"``, streaming kernels for inner
            products on CUDA; ``"reference"``, all m×m logits at once; ``"auto"``, triton where it
            runs, else tiles. A backend that is named computes or raises.

    Returns:
        Shape ``(m,)``; with ``gather_distributed`` the rows of all ranks, in order of rank.

    Raises:
        ValueError: a shape or the backend does not fit.
        TypeError: x is not real floating-point.
        ImportError: ``backend="triton"`` without triton installed.
    """
    if gather_distributed is True and unagreed():
        return together(log_partition, **locals())
    check_choice("backend", backend, get_args(Backend))
    check_flag("gather_distributed", gather_distributed)
    check_count("group", group)
    if not isinstance(x, Tensor):
        raise TypeError(
            f"x must be a tensor of rows (m, d), got {type(x).__name__}; use torch.as_tensor(x)"
        )
    gather = gather_distributed and world_size() > 1
    if x.ndim != 2 or (len(x) == 0 and not gather) or len(x) % group:
        raise ValueError(
            f"log_partition needs rows of shape (m, d), m a positive multiple of group={group}, "
            f"got {tuple(x.shape)}"
        )
    check_points("(n, d)", real=True, empty=gather, x=x)
    sizes = rows_of_ranks(len(x)) if gather else None
    (x,) = at_least(torch.float32, x)
    if score is not None:
        if not callable(score):
            raise TypeError(f"score must be a function of two sets of rows, got {score!r}")
        if backend == "triton":
            raise ValueError("backend='triton' takes inner products only; use 'auto' or 'tiled'")
        rows, own = gather_rows(x, sizes) if gather else (x, range(len(x)))
        tiled = backend != "reference"
        partition = similarity.log_partition(score, rows, group=group, rows=own, tiled=tiled)
        return gather_rows(partition, sizes, replicated=True)[0] if gather else partition
    x = x.contiguous()
    if backend == "reference":
        rows = gather_rows(x, sizes, replicated=True)[0] if gather else x
        return infinite_overflow(reference.log_partition(rows, group=group), rows.detach())
    if gather:
        return GatheredLogPartition.apply(x, group, backend, sizes)  # type: ignore[return-value]
    return autograd.call(x, group, backend)
