"""Measures of spread: of embeddings over directions, and of a displacement over points."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize

from equiform._points import at_least, check_points, real_dtype, squared_modulus
from equiform.forms import Form, sigma
from equiform.functional._arguments import CarriesForm, form_for


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
        Shape ``(...)``; 1 for embeddings that are all zero, 0 for others whose Gram is.

    Source: Roy & Vetterli, EUSIPCO 2007, on eigenvalues instead of singular values.
    """
    check_points(z=z, finite=True)
    form = form_for(z, form, manifold)
    (work,) = at_least(torch.float64, z)
    # Z = U R with orthonormal columns U, which singular values do not see.
    root = torch.linalg.qr(work).R if z.shape[-2] > z.shape[-1] else work
    return _gram_rank(root, form, z)


def effective_rank_moments(
    second_moment: Tensor, form: Form | None = None, *, manifold: CarriesForm | None = None
) -> Tensor:
    r""":func:`effective_rank` of embeddings of which only :math:`Z^σ Z` was kept.

    Exact to rounding: an eigenvalue that is lost below 1e-16 of the largest adds nothing.

    Args:
        second_moment: Hermitian, shape ``(..., d, d)``, such as ``Moments.source``.
        form, manifold: as in :func:`effective_rank`.
    """
    check_points("(..., d, d)", second_moment=second_moment, finite=True)
    form = form_for(second_moment, form, manifold)
    (work,) = at_least(torch.float64, second_moment)
    energy, directions = torch.linalg.eigh(work)
    root = energy.clamp_min(0).sqrt()[..., None] * sigma(directions)
    return _gram_rank(root, form, second_moment)


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
    tiny = torch.finfo(torch.float64).tiny
    b, a = (normalize(x, dim=-1, eps=tiny) for x in at_least(torch.float64, source, target))
    return (a * b.conj()).sum(-1).real


def _gram_rank(root: Tensor, form: Form, given: Tensor) -> Tensor:
    """Effective rank of rows R that have the second moment of what was given, in its precision."""
    values = []
    for part, s in form.parts(root.shape[-1]):
        r = root[..., s]
        d = r.shape[-1]
        energy = squared_modulus(part.coordinates(r)).sum((-2, -1))[..., None]
        # Definite forms have no null directions; at Witt index 1 only rounding makes them so.
        # From 2 on there are null planes, to which an encoder comes only close.
        share = (0.0, d * torch.finfo(given.dtype).eps, 1e-3)[min(*part.signature(d), 2)]
        size = torch.linalg.svdvals(part.gram(r))
        values.append(size.where(size >= share * energy, 0))
    size = torch.cat(values, -1)
    total = size.sum(-1, keepdim=True)
    entropy = torch.special.entr(size / total.where(total != 0, 1)).sum(-1)
    rank = entropy.exp().where(total[..., 0] != 0, 0)
    return rank.where((root != 0).any(-1).any(-1), 1).to(real_dtype(given))
