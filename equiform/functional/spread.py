"""Measures of spread: of embeddings over directions, and of a displacement over points."""

from __future__ import annotations

import torch
from torch import Tensor

from equiform._points import at_least, check_points, real_dtype, squared_modulus
from equiform.forms import BilinearForm, Form, sigma
from equiform.functional._arguments import CarriesForm, form_for
from equiform.functional._scale import rescaled, unit_rows


def effective_rank(
    z: Tensor, form: Form | None = None, *, manifold: CarriesForm | None = None
) -> Tensor:
    r"""Effective number of directions that the Gram of embeddings has, from 1 (collapsed) to d.

    .. math:: \exp\Big(-\sum_i p_i \log p_i\Big), \quad p_i = s_i / \sum_j s_j

    with s the singular values of the Gram :math:`Z J Z^σ`. For the Euclidean form they are the
    eigenvalues of the uncentred second moment :math:`Z^σ Z`: not centring is what lets it see an
    encoder that maps everything near one point.

    A form that is not definite may lose more than the points do. Embeddings on a Lagrangian plane
    of the symplectic form fill half of the space, and all their products are zero: any two such
    clouds are isometric, and the rank is 0. Where null planes exist (Witt index 2 or more), s
    below 0.001 of :math:`\mathrm{tr}\, Z^σ Z` is none, since an encoder only comes close to one.
    No isometry changes the rank otherwise: far from the origin of a hyperboloid it is as large
    as near it.

    Args:
        z: embeddings, shape ``(..., n, d)``.
        form: the product; Euclidean, or Hermitian for complex embeddings, unless given. The
            directions of all members of a :class:`~equiform.Joint` form count together.
        manifold: on which the embeddings lie, in place of its form.

    Returns:
        Shape ``(...)``; 1 for embeddings that are all zero, 0 for others whose Gram is, NaN for
        those that are not finite. Gradients are finite everywhere, and zero along directions that
        no embedding has. Second derivatives are those of :func:`torch.linalg.svdvals`: NaN where
        two singular values coincide, which under a skew form they always do.

    Source: Roy & Vetterli, EUSIPCO 2007, on eigenvalues instead of singular values.
    """
    check_points(z=z)
    form = form_for(z, form, manifold)
    work, finite = _finite(z)
    sizes = [_gram_sizes(part, work[..., s], z.dtype) for part, s in form.parts(z.shape[-1])]
    return _rank(sizes, work).where(finite, torch.nan).to(real_dtype(z))


def effective_rank_moments(
    second_moment: Tensor, form: Form | None = None, *, manifold: CarriesForm | None = None
) -> Tensor:
    r""":func:`effective_rank` of embeddings of which only :math:`Z^σ Z` was kept.

    Exact to rounding: an eigenvalue that is lost below 1e-16 of the largest adds nothing.

    Args:
        second_moment: Hermitian, shape ``(..., d, d)``, such as ``Moments.source``.
        form, manifold: as in :func:`effective_rank`.
    """
    check_points("(..., d, d)", second_moment=second_moment)
    form = form_for(second_moment, form, manifold)
    work, finite = _finite(second_moment)
    sizes = [
        _gram_sizes(part, _root(work[..., s, s]), second_moment.dtype)
        for part, s in form.parts(second_moment.shape[-1])
    ]
    return _rank(sizes, work).where(finite, torch.nan).to(real_dtype(second_moment))


def hides_collapse(form: Form, d: int) -> bool:
    """Whether the Gram of a form on d dimensions may see a cloud near one point as two directions.

    So it is where the form vanishes on a plane, is real and skew, or has several members. For the
    alarm of a collapse the rank of the points then counts beside that of the Gram.
    """
    (part, _), *others = form.parts(d)
    skew = part.symmetry == -1 and not form.sesquilinear
    return bool(others) or skew or min(part.signature(d)) > 1


def cosine_spread(source: Tensor, target: Tensor) -> Tensor:
    r"""Variance over points of the cosine by which one transformation turns embeddings.

    .. math:: \frac{1}{n} \sum_i (c_i - \bar c)^2, \quad
              c_i = \frac{\mathrm{Re}\, \langle a_i, b_i\rangle}{\lVert a_i\rVert \lVert b_i\rVert}

    Zero where a transformation turns every embedding by one angle, as an equivariant encoder onto
    the circle does, or a collapsed one; at most 1. Read it beside :func:`effective_rank`.

    Args:
        source, target: embeddings b = f(x) and a = f(a x), shape ``(..., n, d)``; where one of
            them is zero, the cosine counts as 0.

    Returns:
        Shape ``(...)``, computed in float64.

    Source: Gupta et al., ICLR 2024, Fig. 6 and §F.2.2.
    """
    return cosines(source, target).var(-1, correction=0).to(real_dtype(source, target))


def cosines(source: Tensor, target: Tensor) -> Tensor:
    """Cosine of the angle between the rows of each pair, ``(..., n, d) -> (..., n)``, float64."""
    check_points(source=source, target=target)
    b, a = map(unit_rows, at_least(torch.float64, source, target))
    return (a * b.conj()).sum(-1).real


def _finite(given: Tensor) -> tuple[Tensor, Tensor]:
    """Matrices in double precision about 1 in size, zeros for those with NaN; and which have none.

    A factorisation of NaN raises an error for the whole batch.
    """
    finite = given.isfinite().all(-1).all(-1)
    (work,) = at_least(torch.float64, given.where(finite[..., None, None], 0))
    return rescaled(work)[0], finite


def _gram_sizes(part: BilinearForm, rows: Tensor, given: torch.dtype) -> Tensor:
    """Singular values of the Gram of rows; 0 for those that come of rounding in a given dtype."""
    d, index = rows.shape[-1], min(part.signature(rows.shape[-1]))
    if index == 0:
        return torch.linalg.svdvals(part.coordinates(rows)).square()
    rows = _narrow(rows)
    energy = squared_modulus(part.coordinates(rows)).sum((-2, -1))[..., None]
    # Definite forms have no null directions; at Witt index 1 only rounding makes them so.
    # From 2 on there are null planes, to which an encoder comes only close.
    share = d * torch.finfo(given).eps if index == 1 else 1e-3
    size = torch.linalg.svdvals(part.gram(rows))
    return torch.where(size < share * energy, 0, size)


def _narrow(rows: Tensor) -> Tensor:
    """At most d rows with the same second moment, which singular values of a Gram do not tell."""
    if rows.shape[-2] <= rows.shape[-1]:
        return rows
    # Not through QR, which has no derivative where columns depend on each other: Q is constant,
    # and what leaves its span, zero here, adds to the second moment in second order.
    q = torch.linalg.qr(rows.detach()).Q
    inner = sigma(q) @ rows
    outer = rows - q @ inner
    return inner + sigma(torch.linalg.pinv(inner.detach())) @ (sigma(outer) @ outer) / 2


def _root(moment: Tensor) -> Tensor:
    """R with R^σ R a moment, ``(..., d, d)``; differentiable, which eigenvectors need not be."""
    values, vectors = torch.linalg.eigh(moment.detach())
    size = values.clamp_min(0).sqrt()[..., None, :]
    root = sigma(size * vectors)
    inverse = torch.where(size > 1e-8 * size.amax(-1, keepdim=True), 1 / size, 0) * vectors
    # R^σ R = M to second order, and to first where M is singular.
    change = sigma(inverse) @ (moment - moment.detach())
    inner = change @ inverse
    return root + change - (change @ inverse + inner @ inner / 4) @ root / 2


def _rank(sizes: list[Tensor], given: Tensor) -> Tensor:
    """Exponential of the entropy of all sizes; 1 where what they are of is zero, 0 where they are.

    A size of zero adds nothing, and has derivative zero in place of infinity.
    """
    size = torch.cat(sizes, -1)
    total = size.sum(-1, keepdim=True)
    share = size / total.where(total != 0, 1)
    entropy = -(share * share.where(share != 0, 1).log()).sum(-1)
    rank = entropy.exp().where(total[..., 0] != 0, 0)
    return rank.where((given != 0).any(-1).any(-1), 1)
