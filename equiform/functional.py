"""Stateless losses: one pure function a term.

Every function leaves autocast and computes in float32 or better: half-precision embeddings are
upcast first. None of them normalises: project embeddings to a manifold before, where you want it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, NamedTuple, ParamSpec, Protocol, TypeVar

import torch
from torch import Tensor

from equiform.forms import EuclideanForm, Form
from equiform.ops import gram_difference

P = ParamSpec("P")
R = TypeVar("R")


class SupportsSimilarity(Protocol):
    """A geometry that scores pairs of points; every equiform manifold is one."""

    def similarity(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Logits of all pairs, ``(n, d), (m, d) -> (n, m)``; larger is closer."""
        ...


class InfoNCETerms(NamedTuple):
    """The two parts into which the released CARE code splits InfoNCE."""

    alignment: Tensor
    uniformity: Tensor


def _full_precision(
    loss: Callable[Concatenate[Tensor, Tensor, P], R],
) -> Callable[Concatenate[Tensor, Tensor, P], R]:
    """Check that both views have one shape, leave autocast and upcast half precision."""

    @wraps(loss)
    def wrapper(z1: Tensor, z2: Tensor, *args: P.args, **kwargs: P.kwargs) -> R:
        if z1.shape != z2.shape or z1.ndim < 2 or 0 in z1.shape:
            raise ValueError(
                f"{loss.__name__} needs two views of one non-empty shape (n, d), "
                f"got {tuple(z1.shape)} and {tuple(z2.shape)}"
            )
        dtype = torch.promote_types(torch.promote_types(z1.dtype, z2.dtype), torch.float32)
        with torch.autocast(z1.device.type, enabled=False):
            return loss(z1.to(dtype), z2.to(dtype), *args, **kwargs)

    return wrapper


@_full_precision
def pairwise_equivariance(
    z1: Tensor,
    z2: Tensor,
    form: Form | None = None,
    *,
    num_chunks: int = 1,
    normalization: str = "pairs",
    reduction: str = "mean",
    backend: str = "auto",
) -> Tensor:
    r"""Mean squared difference of all pairwise products before and after a transformation.

    .. math:: \frac{1}{n^2} \sum_{ij} |\langle z^1_i, z^1_j\rangle - \langle z^2_i, z^2_j\rangle|^2

    It is zero exactly when the Gram matrices agree, which on the sphere, the hyperboloid and any
    nondegenerate span means that one isometry T of the form carries all of ``z1`` to ``z2``
    (Gupta et al., ICLR 2024, eq. 1 and Proposition 4, for the Euclidean form).

    Args:
        z1, z2: embeddings of the two views, shape ``(n, d)``, or ``(c, n, d)`` for c chunks.
        form: the product to preserve; Euclidean unless given.
        num_chunks: split ``(n, d)`` views into this many consecutive chunks, each with a
            transformation of its own; pairs never cross chunks.
        normalization: ``"pairs"``, the paper's expectation: the mean over all n² ordered pairs of
            a chunk; ``"care"``, the released code: :math:`2\,\mathrm{mean}_i \sum_{j \ne i}`,
            which for unit vectors is 2n times the former. A weight λ belongs to one of them.
        reduction: ``"mean"``, ``"sum"`` or ``"none"`` over chunks.
        backend: see :func:`equiform.ops.gram_difference`.

    Returns:
        A scalar, or shape ``(c,)`` with ``reduction="none"``.

    Raises:
        ValueError: shapes differ, the batch does not divide into chunks, an option is unknown.
        TypeError: the form cannot take the dtype.
    """
    z1, z2 = _chunk(z1, num_chunks), _chunk(z2, num_chunks)
    n = z1.shape[-2]
    if normalization == "pairs":
        scale = 1 / n**2
    elif normalization == "care":
        scale = 2 / n
    else:
        raise ValueError(f"normalization must be 'pairs' or 'care', got {normalization!r}")
    loss = scale * gram_difference(
        z1,
        z2,
        EuclideanForm() if form is None else form,
        exclude_diagonal=normalization == "care",
        backend=backend,
    )
    return _reduce(loss, reduction)


@_full_precision
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


@_full_precision
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


@_full_precision
def uniformity(
    z1: Tensor,
    z2: Tensor,
    temperature: float = 1.0,
    *,
    manifold: SupportsSimilarity | None = None,
) -> Tensor:
    r"""How unevenly each view's embeddings spread: :math:`\log \mathrm{E}_{x \ne x'} e^{s(x, x')/τ}`.

    The mean over both views; pairs are of distinct inputs within one view. On the unit sphere it
    is at most 1/τ, reached when all embeddings coincide.

    Args:
        z1, z2: embeddings of the two views, shape ``(n, d)`` with n at least 2.
        temperature: τ, positive.
        manifold: scores the pairs; inner products unless given.

    Source: Gupta et al., ICLR 2024, L_unif (there τ = 1); Wang & Isola, ICML 2020, t = 1/(2τ).
    """
    n = len(z1)
    if n < 2:
        raise ValueError(f"uniformity needs at least two embeddings, got n={n}")
    views = [_off_diagonal_logits(z, temperature, manifold) for z in (z1, z2)]
    log_sums = torch.stack([logits.flatten().logsumexp(0) for logits in views])
    return log_sums.mean() - torch.log(log_sums.new_tensor(n * (n - 1)))


@_full_precision
def invariance(z1: Tensor, z2: Tensor) -> Tensor:
    r"""Mean displacement :math:`\mathrm{E}\,\lVert f(ax) - f(a'x)\rVert` between two views.

    Args:
        z1, z2: embeddings of the two views, shape ``(..., d)``.

    Returns:
        A scalar; its gradient is zero, not NaN, where views coincide.

    Source: Gupta et al., ICLR 2024, L_inv.
    """
    return torch.linalg.vector_norm(z1 - z2, dim=-1).mean()


def _chunk(z: Tensor, num_chunks: int) -> Tensor:
    """``(n, d) -> (num_chunks, n / num_chunks, d)``; a ``(c, n, d)`` input is chunked already."""
    if z.ndim == 3 and num_chunks in (1, len(z)):
        return z
    if z.ndim != 2:
        raise ValueError(
            f"embeddings must have shape (n, d), or (c, n, d) with num_chunks 1 or c, "
            f"got {tuple(z.shape)} with num_chunks={num_chunks}"
        )
    if num_chunks < 1 or len(z) % num_chunks:
        raise ValueError(
            f"a batch of {len(z)} does not divide into num_chunks={num_chunks}; "
            "drop the last batch (DataLoader(drop_last=True)) or choose a divisor"
        )
    return z.unflatten(0, (num_chunks, -1))


def _reduce(loss: Tensor, reduction: str) -> Tensor:
    if reduction == "mean":
        return loss.mean()
    if reduction == "sum":
        return loss.sum()
    if reduction == "none":
        return loss
    raise ValueError(f"reduction must be 'mean', 'sum' or 'none', got {reduction!r}")


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
    """Logits of the 2n views without the diagonal, ``(2n, 2n)``, and of their partners, ``(2n,)``."""
    logits = _off_diagonal_logits(torch.cat([z1, z2]), temperature, manifold)
    positives = logits.diagonal(len(z1))
    return logits, torch.cat([positives, positives])
