"""Contrastive terms: InfoNCE, its two parts, uniformity and invariance."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from equiform._options import check_number
from equiform._precision import full_precision
from equiform.functional._arguments import SupportsDistance, SupportsSimilarity, check_manifold
from equiform.functional._scale import common_unit, over
from equiform.functional._views import two_views
from equiform.ops import log_partition
from equiform.ops.distributed import gather_rows, rows_of_ranks, together, unagreed
from equiform.ops.info_nce import Backend
from equiform.ops.overflow import infinite_overflow


class InfoNCETerms(NamedTuple):
    """The two parts into which the released CARE code splits InfoNCE."""

    alignment: Tensor
    uniformity: Tensor


@full_precision
def info_nce(
    z1: Tensor,
    z2: Tensor,
    temperature: float = 0.5,
    *,
    manifold: SupportsSimilarity | None = None,
    gather_distributed: bool = False,
    backend: Backend = "auto",
) -> Tensor:
    r"""NT-Xent over the 2n views: each view is to find its partner among the 2n - 1 others.

    .. math:: \frac{1}{2n} \sum_i \Big[\log \sum_{j \ne i} e^{s_{ij}/τ} - s_{i,i'}/τ\Big]

    Memory is linear in n.

    Args:
        z1, z2: embeddings of the two views, shape ``(n, d)``.
        temperature: τ, positive.
        manifold: scores the pairs; inner products unless given.
        gather_distributed: run over the global batch; ranks may hold any n, 0 too. Every rank
            returns the global loss, and DistributedDataParallel's average of the parameter
            gradients is that of one process on the whole batch. Differentiable once.
        backend: see :func:`equiform.ops.log_partition`.

    Returns:
        A scalar; with one pair it is 0, there being nothing to contrast with.

    Raises:
        ValueError: shapes differ, τ is not positive, or the backend does not fit.
        TypeError: an argument is of another type.

    Source: Chen et al., ICML 2020, eq. 1; the released CARE code at the same τ.
    """
    if gather_distributed is True and unagreed():
        return together(info_nce, **locals())
    positives, negatives = _view_logits(
        *two_views(z1, z2, real=True, gathered=gather_distributed),
        temperature,
        manifold,
        gather_distributed,
        backend,
    )
    # log(e^p + e^n) - p = -log sigmoid(p - n), without the cancellation: a loss near zero is right
    # to its last digits, where the difference of two logarithms has those of s/τ.
    loss = -logsigmoid(positives - negatives).mean()
    # NaN of other ranks stays NaN.
    return loss if gather_distributed else infinite_overflow(loss, z1, z2)


@full_precision
def info_nce_terms(
    z1: Tensor,
    z2: Tensor,
    temperature: float = 0.5,
    *,
    manifold: SupportsSimilarity | None = None,
    gather_distributed: bool = False,
    backend: Backend = "auto",
) -> InfoNCETerms:
    r"""Alignment and uniformity parts of InfoNCE, as the released CARE code reports them.

    Alignment is :math:`-\mathrm{mean}_i\, s_{i,i'}/τ`; uniformity is :math:`\mathrm{mean}_i \log
    \sum_{j \ne i, i'} e^{s_{ij}/τ}`. Uniformity leaves the positive out of the sum, so the two add
    up to a little less than :func:`info_nce`.

    Arguments as in :func:`info_nce`; n is at least 2, gathered over the global batch.
    """
    if gather_distributed is True and unagreed():
        return together(info_nce_terms, **locals())
    positives, negatives = _view_logits(
        *two_views(z1, z2, real=True, gathered=gather_distributed),
        temperature,
        manifold,
        gather_distributed,
        backend,
    )
    if len(positives) < 2:
        raise ValueError("info_nce_terms needs at least two pairs to have negatives, got n=1")
    alignment = -positives.mean()
    if not gather_distributed:
        alignment = infinite_overflow(alignment, z1, z2)
    return InfoNCETerms(alignment, negatives.mean())


@full_precision
def uniformity(
    z1: Tensor,
    z2: Tensor,
    temperature: float = 1.0,
    *,
    manifold: SupportsSimilarity | None = None,
    gather_distributed: bool = False,
    backend: Backend = "auto",
) -> Tensor:
    r"""How unevenly a view spreads: :math:`\log \mathrm{E}_{x \ne x'} e^{s(x, x')/τ}`.

    The mean over both views; pairs are of distinct inputs within one view. On the unit sphere it
    is at most 1/τ, reached when all embeddings coincide. Memory is linear in n.

    Arguments as in :func:`info_nce`; n is at least 2, gathered over the global batch.

    Source: Gupta et al., ICLR 2024, L_unif (there τ = 1); Wang & Isola, ICML 2020, with
    t = 1/(2τ), up to an additive constant.
    """
    if gather_distributed is True and unagreed():
        return together(uniformity, **locals())
    partitions = torch.stack(
        [
            _log_partition(z, 1, temperature, manifold, gather_distributed, backend)
            for z in two_views(z1, z2, real=True, gathered=gather_distributed)
        ]
    )
    n = partitions.shape[1]
    if n < 2:
        raise ValueError(f"uniformity needs at least two embeddings, got n={n}")
    return partitions.logsumexp(-1).mean() - math.log(n * (n - 1))


@full_precision
def invariance(z1: Tensor, z2: Tensor, *, manifold: SupportsDistance | None = None) -> Tensor:
    r"""Mean displacement :math:`\mathrm{E}\,\lVert f(ax) - f(a'x)\rVert` between two views.

    Args:
        z1, z2: embeddings of the two views, shape ``(..., n, d)``.
        manifold: measures it by geodesic distance, which isometries leave as it is; else it is
            the distance of the coordinates.

    Returns:
        A scalar; its gradient is zero, not NaN, where views coincide.

    Source: Gupta et al., ICLR 2024, L_inv.
    """
    check_manifold(manifold, "dist")
    z1, z2 = two_views(z1, z2, real=manifold is not None)
    if manifold is not None:
        return manifold.dist(z1, z2).mean()
    # On a scale of its own the square of a displacement neither vanishes nor overflows.
    gap = z1 - z2
    unit = common_unit(gap, dim=-1)
    return (torch.linalg.vector_norm(over(gap, unit), dim=-1) * unit[..., 0]).mean()


def _log_partition(
    z: Tensor,
    group: int,
    temperature: float,
    manifold: SupportsSimilarity | None,
    gather_distributed: bool,
    backend: Backend,
) -> Tensor:
    """Log-partitions of the rows of z at a temperature; see :func:`equiform.ops.log_partition`."""
    if z.ndim != 2:
        raise ValueError(f"contrastive terms need embeddings of shape (n, d), got {tuple(z.shape)}")
    score = _score(manifold, temperature)
    if score is None:
        z = z * temperature**-0.5  # the logits are then its inner products
    return log_partition(
        z, group=group, score=score, gather_distributed=gather_distributed, backend=backend
    )


def _view_logits(
    z1: Tensor,
    z2: Tensor,
    temperature: float,
    manifold: SupportsSimilarity | None,
    gather_distributed: bool,
    backend: Backend,
) -> tuple[Tensor, Tensor]:
    """Of all pairs of views: logits ``(n, 1)`` and both log-partitions of the negatives ``(n, 2)``.

    The views are interleaved: partners are then neighbours on every rank, however many pairs it
    holds.
    """
    z = torch.stack([z1, z2], dim=1).flatten(0, 1)
    negatives = _log_partition(z, 2, temperature, manifold, gather_distributed, backend)
    score = _score(manifold, temperature)
    if score is None:
        positives = (z1 * z2).sum(-1, keepdim=True) / temperature
    else:
        positives = score(z1.unsqueeze(1), z2.unsqueeze(1)).squeeze(-1)
    if gather_distributed:
        sizes = [rows // 2 for rows in rows_of_ranks(len(z))]
        positives, _ = gather_rows(positives, sizes, replicated=True)
    return positives, negatives.unflatten(0, (-1, 2))


def _score(
    manifold: SupportsSimilarity | None, temperature: float
) -> Callable[[Tensor, Tensor], Tensor] | None:
    """Logits of all pairs; None for inner products over temperature, which have an op."""
    check_number("temperature", temperature, positive=True)
    check_manifold(manifold, "similarity")
    if manifold is None or getattr(manifold, "inner_product_similarity", False):
        return None
    return lambda x, y: manifold.similarity(x, y) / temperature
