"""Measures of spread: of embeddings over directions, and of a displacement over points."""

from __future__ import annotations

import torch
from torch import Tensor


def effective_rank(z: Tensor) -> Tensor:
    r"""Effective number of directions that embeddings use, from 1 (collapsed) to d.

    .. math:: \exp\Big(-\sum_i p_i \log p_i\Big), \quad p_i = λ_i / \sum_j λ_j

    with λ the eigenvalues of the uncentred second moment :math:`Z^σ Z`: not centring is what lets
    it see an encoder that maps everything near one point.

    Args:
        z: embeddings, shape ``(..., n, d)``.

    Returns:
        Shape ``(...)``; 1 for embeddings that are all zero.

    Source: Roy & Vetterli, EUSIPCO 2007, on eigenvalues instead of singular values.
    """
    s = torch.linalg.svdvals(z.to(torch.promote_types(z.dtype, torch.float64)))
    return _effective_number(s.square()).to(z.real.dtype)


def effective_rank_moments(second_moment: Tensor) -> Tensor:
    r""":func:`effective_rank` of embeddings of which only :math:`Z^σ Z` was kept.

    Exact to rounding: an eigenvalue that is lost below 1e-16 of the largest adds nothing.

    Args:
        second_moment: Hermitian, shape ``(..., d, d)``, such as ``Moments.source``.

    Returns:
        Shape ``(...)``.
    """
    work = torch.promote_types(second_moment.dtype, torch.float64)
    energy = torch.linalg.eigvalsh(second_moment.to(work)).clamp_min(0)
    return _effective_number(energy).to(second_moment.real.dtype)


def cosine_spread(source: Tensor, target: Tensor) -> Tensor:
    r"""Variance over points of the cosine by which one transformation turns embeddings.

    .. math:: \frac{1}{n} \sum_i (c_i - \bar c)^2, \quad
              c_i = \frac{\mathrm{Re}\, \langle a_i, b_i\rangle}{\lVert a_i\rVert \lVert b_i\rVert}

    Zero where a transformation turns every embedding by one angle, as an equivariant encoder onto
    the circle does; at most 1. A collapsed encoder reaches 0 as well: read it beside
    :func:`effective_rank`.

    Args:
        source, target: embeddings b = f(x) and a = f(a x), shape ``(..., n, d)``; where one of
            them is zero, the cosine counts as 0.

    Returns:
        Shape ``(...)``, computed in float64.

    Source: Gupta et al., ICLR 2024, Fig. 6 and §F.2.2.
    """
    return cosines(source, target).var(-1, correction=0).to(source.real.dtype)


def cosines(source: Tensor, target: Tensor) -> Tensor:
    """Cosine of the angle between the rows of each pair, ``(..., n, d) -> (..., n)``, float64."""
    if source.shape != target.shape or source.ndim < 2:
        raise ValueError(
            "source and target must have one shape (..., n, d), "
            f"got {tuple(source.shape)} and {tuple(target.shape)}"
        )
    work = torch.promote_types(source.dtype, torch.float64)
    b, a = (_unit(x.to(work)) for x in (source, target))
    return (a * b.conj()).sum(-1).real


def _effective_number(energy: Tensor) -> Tensor:
    """Exponential of the entropy of nonnegative shares, ``(..., d) -> (...)``."""
    total = energy.sum(-1, keepdim=True)
    p = torch.where(total > 0, energy / total.where(total > 0, 1), 0)
    return torch.special.entr(p).sum(-1).exp()


def _unit(x: Tensor) -> Tensor:
    norm = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
    return x / norm.where(norm > 0, 1)
