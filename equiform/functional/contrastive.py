"""Contrastive terms: InfoNCE, its two parts, uniformity and invariance."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from equiform.forms import EuclideanForm
from equiform.functional._views import full_precision


class SupportsSimilarity(Protocol):
    """A geometry that scores pairs of points; every equiform manifold is one."""

    def similarity(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Logits of all pairs, ``(n, d), (m, d) -> (n, m)``; larger is closer."""
        ...


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
) -> Tensor:
    r"""NT-Xent over the 2n views: each view is to find its partner among the 2n - 1 others.

    .. math:: \frac{1}{2n} \sum_i \Big[\log \sum_{j \ne i} e^{s_{ij}/τ} - s_{i,i'}/τ\Big]

    Args:
        z1, z2: embeddings of the two views, shape ``(n, d)``.
        temperature: τ, positive.
        manifold: scores the pairs; inner products unless given.

    Returns:
        A scalar; with one pair it is 0, there being nothing to contrast with.

    Source: Chen et al., ICML 2020, eq. 1; the released CARE code at the same τ.
    """
    logits, positives = _view_logits(z1, z2, temperature, manifold)
    return (logits.logsumexp(-1) - positives).mean()


@full_precision
def info_nce_terms(
    z1: Tensor,
    z2: Tensor,
    temperature: float = 0.5,
    *,
    manifold: SupportsSimilarity | None = None,
) -> InfoNCETerms:
    r"""Alignment and uniformity parts of InfoNCE, as the released CARE code reports them.

    Alignment is :math:`-\mathrm{mean}_i\, s_{i,i'}/τ`; uniformity is :math:`\mathrm{mean}_i \log
    \sum_{j \ne i, i'} e^{s_{ij}/τ}`. Uniformity leaves the positive out of the sum, so the two add
    up to a little less than :func:`info_nce`.

    Args:
        z1, z2: embeddings of the two views, shape ``(n, d)`` with n at least 2.
        temperature: τ, positive.
        manifold: scores the pairs; inner products unless given.
    """
    logits, positives = _view_logits(z1, z2, temperature, manifold)
    if len(z1) < 2:
        raise ValueError("info_nce_terms needs at least two pairs to have negatives, got n=1")
    partner = torch.arange(len(logits), device=logits.device).roll(len(z1))
    negatives = logits.scatter(-1, partner[:, None], -torch.inf)
    return InfoNCETerms(-positives.mean(), negatives.logsumexp(-1).mean())


@full_precision
def uniformity(
    z1: Tensor,
    z2: Tensor,
    temperature: float = 1.0,
    *,
    manifold: SupportsSimilarity | None = None,
) -> Tensor:
    r"""How unevenly a view spreads: :math:`\log \mathrm{E}_{x \ne x'} e^{s(x, x')/τ}`.

    The mean over both views; pairs are of distinct inputs within one view. On the unit sphere it
    is at most 1/τ, reached when all embeddings coincide.

    Args:
        z1, z2: embeddings of the two views, shape ``(n, d)`` with n at least 2.
        temperature: τ, positive.
        manifold: scores the pairs; inner products unless given.

    Source: Gupta et al., ICLR 2024, L_unif (there τ = 1); Wang & Isola, ICML 2020, with
    t = 1/(2τ), up to an additive constant.
    """
    n = len(z1)
    if n < 2:
        raise ValueError(f"uniformity needs at least two embeddings, got n={n}")
    views = [_off_diagonal_logits(z, temperature, manifold) for z in (z1, z2)]
    log_sums = torch.stack([logits.flatten().logsumexp(0) for logits in views])
    return log_sums.mean() - torch.log(log_sums.new_tensor(n * (n - 1)))


@full_precision
def invariance(z1: Tensor, z2: Tensor) -> Tensor:
    r"""Mean displacement :math:`\mathrm{E}\,\lVert f(ax) - f(a'x)\rVert` between two views.

    Args:
        z1, z2: embeddings of the two views, shape ``(..., d)``.

    Returns:
        A scalar; its gradient is zero, not NaN, where views coincide.

    Source: Gupta et al., ICLR 2024, L_inv.
    """
    return torch.linalg.vector_norm(z1 - z2, dim=-1).mean()


def _off_diagonal_logits(
    z: Tensor, temperature: float, manifold: SupportsSimilarity | None
) -> Tensor:
    """Similarities over temperature of all pairs, shape ``(n, n)``, -inf on the diagonal."""
    if not temperature > 0:
        raise ValueError(f"temperature must be positive, got {temperature}")
    if z.ndim != 2:
        raise ValueError(f"contrastive terms need embeddings of shape (n, d), got {tuple(z.shape)}")
    scores = (EuclideanForm().gram(z) if manifold is None else manifold.similarity(z)) / temperature
    return scores.masked_fill(torch.eye(len(z), dtype=torch.bool, device=z.device), -torch.inf)


def _view_logits(
    z1: Tensor, z2: Tensor, temperature: float, manifold: SupportsSimilarity | None
) -> tuple[Tensor, Tensor]:
    """Logits of the 2n views, -inf on the diagonal, and of their partners, ``(2n,)``."""
    logits = _off_diagonal_logits(torch.cat([z1, z2]), temperature, manifold)
    positives = logits.diagonal(len(z1))
    return logits, torch.cat([positives, positives])
