"""Orientation: what tells a rotation from a reflection, which a Gram matrix cannot."""

from __future__ import annotations

import torch
from torch import Tensor

from equiform._options import check_flag
from equiform._precision import full_precision
from equiform.functional._scale import rescaled
from equiform.functional._views import two_views
from equiform.groups import Moments
from equiform.groups.moments import trace
from equiform.ops.distributed import rows_of_ranks, sum_over_ranks, together, unagreed


@full_precision
def orientation_gap(z1: Tensor, z2: Tensor, *, gather_distributed: bool = False) -> Tensor:
    r"""How much worse the best rotation fits than the best orthogonal matrix.

    .. math::

        L_σ = \frac{σ_{\min}(B^t A)}{\lVert A\rVert_F \lVert B\rVert_F}
              \text{ where } \det B^t A < 0, \text{ else } 0

    With :math:`W_G = \min_{T \in G} \lVert A - B T^t\rVert_F`, it is :math:`(W^2_{SO(d)} -
    W^2_{O(d)}) / (4 \lVert A\rVert_F \lVert B\rVert_F)`, since det < 0 costs a rotation the
    smallest singular value twice. It lies in [0, 1/d] and is continuous. Beside a vanishing Gram
    difference, zero means that a rotation carries B to A.

    A weight of 1 beside :func:`pairwise_equivariance` leads unit embeddings with d at least 2 away
    from a mirror image: flatten A along the axis of the smallest eigenvalue :math:`μ \le 1/d` of
    :math:`B^t B / n` to a fraction s, and the two losses are :math:`(1 - s^2)^2 μ^2` and
    :math:`s μ / \sqrt{1 - μ (1 - s^2)}`. Their sum falls all the way from s = 1 to s = 0, where
    the sign changes. Longer embeddings, or ``normalization="care"``, take a weight in proportion to
    the pairwise loss.

    Args:
        z1, z2: embeddings B before and A after, row by row, shape ``(..., n, d)``.
        gather_distributed: sum the moments over the rows of all ranks, as in
            :func:`equiform.functional.pairwise_equivariance`.

    Returns:
        One value a chunk, shape ``(...)``; computed from d×d moments in float64. Where they have
        numerical rank below d (always with n < d) both orientations fit alike: value and gradient
        are then 0. The gradient is finite everywhere.

    Raises:
        TypeError: the embeddings are complex, where orientation has no meaning.
    """
    if gather_distributed is True and unagreed():
        return together(orientation_gap, **locals())
    moments, finite, dtype = _moments(z1, z2, gather_distributed)
    s = torch.linalg.svdvals(moments.cross)
    product = trace(moments.source) * trace(moments.target)
    reversed_ = torch.linalg.slogdet(moments.cross.detach()).sign < 0
    counts = reversed_ & _full_rank(s, product.sqrt(), torch.finfo(dtype).eps)
    scale = product.where(counts, 1).sqrt()
    return torch.where(counts, s[..., -1] / scale, 0).where(finite, torch.nan).to(dtype)


@full_precision
def orientation_determinant(z1: Tensor, z2: Tensor, *, gather_distributed: bool = False) -> Tensor:
    r"""One minus the normalised determinant of the cross moment, with its sign.

    .. math::

        L_{or} = 1 - \mathrm{sgn}(\det A^t B) \left(\frac{|\det A^t B|}
                 {\sqrt{\det A^t A\, \det B^t B}}\right)^{1/d}

    The quotient is the cosine between the d-vectors of A and B (Cauchy-Binet), so that the loss
    lies in [0, 2] and is 0 exactly where A = B M with det M > 0. The root keeps a gradient at large
    d, where determinants are exponentially small; in exchange its slope is steep near det = 0.

    Unlike :func:`orientation_gap` it does not change as A is flattened, and an exact mirror image
    is stationary: with weight 1 a local minimum beside the pairwise loss of unit embeddings where
    all eigenvalues of :math:`B^t B / n` exceed :math:`1/\sqrt{4d}`. Prefer the gap.

    Args:
        z1, z2: embeddings B before and A after, row by row, shape ``(..., n, d)``.
        gather_distributed: as in :func:`orientation_gap`.

    Returns:
        One value a chunk, shape ``(...)``; computed from d×d moments in float64. Where A or B has
        numerical rank below d (always with n < d) it is 0 with gradient 0. Where only
        :math:`A^t B` is singular it is 1 with gradient 0: the gradient is finite everywhere.
    """
    if gather_distributed is True and unagreed():
        return together(orientation_determinant, **locals())
    moments, finite, dtype = _moments(z1, z2, gather_distributed)
    d, eps = moments.dim, torch.finfo(dtype).eps
    source, target = trace(moments.source), trace(moments.target)
    # Moments of one set square the singular values of its points, and so their rounding.
    spans = _full_rank(torch.linalg.svdvals(moments.source), source, d * eps**2)
    spans = spans & _full_rank(torch.linalg.svdvals(moments.target), target, d * eps**2)
    s = torch.linalg.svdvals(moments.cross)
    oriented = spans & _full_rank(s, (source * target).sqrt(), eps)
    # The identity stands in for a singular matrix, whose log-determinant has no derivative.
    eye = torch.eye(d, dtype=s.dtype, device=s.device)
    log_source, log_cross, log_target = (
        torch.linalg.slogdet(torch.where(oriented[..., None, None], m, eye))
        for m in (moments.source, moments.cross, moments.target)
    )
    log_cosine = log_cross.logabsdet - (log_source.logabsdet + log_target.logabsdet) / 2
    signed = torch.where(oriented, log_cross.sign * (log_cosine / d).exp(), 0)
    return torch.where(spans, 1 - signed, 0).where(finite, torch.nan).to(dtype)


def _moments(
    z1: Tensor, z2: Tensor, gather_distributed: bool
) -> tuple[Moments, Tensor, torch.dtype]:
    """Moments, with zeros for those that are not finite; which are; and the dtype of the points.

    Each set on a scale of its own, which neither measure sees, unless ranks would have to agree.
    """
    check_flag("gather_distributed", gather_distributed)
    z1, z2 = two_views(z1, z2, real=True, gathered=gather_distributed)
    if gather_distributed:
        rows_of_ranks(z1.shape[-2])
        moments = Moments.of(z1, z2).map(sum_over_ranks)
    else:
        moments = Moments.of(*rescaled(z1), *rescaled(z2))
    sets = moments.source, moments.cross, moments.target
    finite = torch.stack([m.isfinite().all(-1).all(-1) for m in sets]).all(0)
    return (
        moments.map(lambda m: torch.where(finite[(...,) + (None,) * (m.ndim - finite.ndim)], m, 0)),
        finite,
        z1.dtype,
    )


def _full_rank(singular_values: Tensor, scale: Tensor, eps: float) -> Tensor:
    """Whether the smallest stands out of the rounding of the points and of summing to ``scale``."""
    s, rounding = singular_values.detach(), torch.finfo(singular_values.dtype).eps
    return s[..., -1] > s.shape[-1] * (eps * s[..., 0] + rounding * scale.detach())
