"""γ: how far pairwise products move, relative to how far the embeddings do."""

from __future__ import annotations

import torch
from torch import Tensor

from equiform._points import at_least, check_points, real_dtype, squared_modulus
from equiform.forms import BilinearForm, Form, sigma
from equiform.functional._arguments import CarriesForm, form_for
from equiform.functional._scale import rescaled
from equiform.groups import Moments
from equiform.groups.recovery import in_coordinates


def relative_equivariance(
    source: Tensor, target: Tensor, form: Form | None = None, *, manifold: CarriesForm | None = None
) -> Tensor:
    r"""γ_b: how far Grams move, relative to how far the embeddings do; in [0, 1] for every form.

    .. math::

        γ_b = \frac{\lVert G_A - G_B\rVert^2}
                   {2\lVert (A - B) J A^σ\rVert^2 + 2\lVert (A - B) J B^σ\rVert^2}

    Zero exactly when the Grams agree, about 1/2 for a random displacement, towards 1 for pure
    scaling, and unchanged when one isometry acts on both sets. Invariant embeddings, A = B, give 0.
    For a :class:`~equiform.Joint` form both sums run over its members.

    Args:
        source, target: embeddings B = f(x) and A = f(a x), shape ``(..., n, d)``.
        form: the product; Euclidean, or Hermitian for complex embeddings, unless given.
        manifold: on which the embeddings lie, in place of its form.

    Returns:
        Shape ``(...)``, computed in float64 with O(d²) memory beside the embeddings; NaN where
        they are not finite. Differentiable, with gradient zero where nothing moves.
    """
    check_points(source=source, target=target)
    b, a = rescaled(*at_least(torch.float64, source, target))
    terms = relative_equivariance_terms(b, a, form, manifold=manifold)
    return _ratio(*terms).to(real_dtype(source, target))


def relative_equivariance_moments(
    moments: Moments, form: Form | None = None, *, manifold: CarriesForm | None = None
) -> Tensor:
    r"""γ_b of points of which only moments were kept.

    .. math:: 2\lVert G_A - G_B\rVert^2 = \lVert X\rVert^2 + ε\, \mathrm{Re\, tr}(X X), \quad
              X = (A - B) J (A + B)^σ

    and all norms are of products of second moments.

    The displacement A - B is seen by :math:`Q - N - N^σ + P` only, a difference of larger numbers:
    the absolute error is about 1e-15 / t² for a relative displacement
    :math:`t = \lVert A - B\rVert_F / \lVert B\rVert_F`, where :func:`relative_equivariance` is
    right to rounding at any t. It is 1e-9 at t = 1e-3; below t = 1e-7 the result is meaningless.

    Args:
        moments: of the points B and A, shape ``(..., d, d)``.
        form, manifold: as in :func:`relative_equivariance`.
    """
    if not isinstance(moments, Moments):
        raise TypeError(
            f"moments must be Moments, got {type(moments).__name__}; use Moments.of(source, target)"
        )
    source, cross, target, _ = moments.parts
    check_points("(..., d, d)", source=source, cross=cross, target=target)
    form = form_for(moments.source, form, manifold)
    parts = rescaled(*moments.parts[:3])
    terms = []
    for part, s in form.parts(moments.dim):
        p, n, q = (m[..., s, s] for m in parts)
        p, n, q, _ = in_coordinates(part, Moments(p, n, q, moments.weight)).parts
        both, mixed, cross = p + q, n + sigma(n), n - sigma(n)
        terms.append(_terms(part.standard(), both - mixed, both + mixed, q - p + cross, both))
    return _ratio(*torch.stack(terms).sum(0))


def relative_equivariance_terms(
    source: Tensor, target: Tensor, form: Form | None = None, *, manifold: CarriesForm | None = None
) -> Tensor:
    """Numerator and denominator of γ_b, ``(2, ...)``, in float64, for sums over transformations.

    They are of fourth order in the embeddings, whose norms have to lie between 1e-70 and 1e70.
    """
    check_points(source=source, target=target)
    form = form_for(source, form, manifold)
    b, a = at_least(torch.float64, source, target)
    terms = []
    for part, s in form.parts(b.shape[-1]):
        own, moved = part.coordinates(b[..., s]), part.coordinates((a - b)[..., s])
        other, total = own + moved, 2 * own + moved
        both = sigma(own) @ own + sigma(other) @ other
        displacement, cross = sigma(moved) @ moved, sigma(total) @ moved
        terms.append(_terms(part.standard(), displacement, sigma(total) @ total, cross, both))
    return torch.stack(terms).sum(0)


def relative_equivariance_care(source: Tensor, target: Tensor) -> Tensor:
    r"""γ_f as the paper prints it: change of pairwise distances against displacement.

    .. math::

        γ_f = \mathrm{E}_{x, x'} \left[\frac{(\lVert f(ax') - f(ax)\rVert^2 - \lVert f(x') -
        f(x)\rVert^2)^2}{(\lVert f(ax') - f(x')\rVert^2 + \lVert f(ax) - f(x)\rVert^2)^2}\right]

    Not scale-free: the numerator falls as the square of the displacement and the denominator as
    its fourth power, so it grows as an encoder becomes invariant. :func:`relative_equivariance`
    has no such defect. Pairs of points that do not move at all count as 0.

    Args:
        source, target: embeddings f(x) and f(a x), shape ``(..., n, d)``; O(n²) memory is taken.

    Returns:
        Shape ``(...)``, computed in float64; NaN where the embeddings are not finite.
        Differentiable, as :func:`relative_equivariance` is.

    Source: Gupta et al., ICLR 2024, §4.
    """
    check_points(source=source, target=target)
    b, a = rescaled(*at_least(torch.float64, source, target))
    # |a - a'|² - |b - b'|² = <(a - b) - (a' - b'), (a + b) - (a' + b')>: squares would cancel.
    displacement, total = a - b, a + b
    cross = (displacement @ (total - total.mean(-2, keepdim=True)).mH).real
    own = cross.diagonal(dim1=-2, dim2=-1)
    change = own[..., :, None] + own[..., None, :] - cross - cross.mT
    moved = squared_modulus(displacement).sum(-1)
    pairs = _ratio(change.square(), (moved[..., :, None] + moved[..., None, :]).square())
    return pairs.mean((-2, -1)).to(real_dtype(source, target))


def _terms(
    form: BilinearForm, displacement: Tensor, total: Tensor, cross: Tensor, both: Tensor
) -> Tensor:
    """Numerator and denominator from D^σD, S^σS, S^σD and B^σB + A^σA; D = A - B, S = A + B."""
    # G_A - G_B = (X + ε X^σ) / 2 for X = D J S^σ. All norms below are traces of d×d moments:
    # ‖Y J Z^σ‖² = Re tr(Y^σY J Z^σZ J^σ), and J^σ = ε J; apply gives right products by J.
    moved, ends = form.apply(displacement), form.apply(torch.stack([total, both]))
    x2, denominator = form.symmetry * (moved * ends.mT).sum((-2, -1)).real
    trace = (form.apply(cross) * form.apply(cross).mT).sum((-2, -1)).real
    numerator = (x2 + form.symmetry * trace) / 2
    return torch.stack([numerator, 2 * denominator]).clamp_min(0)


def _ratio(numerator: Tensor, denominator: Tensor) -> Tensor:
    """Their quotient, 0 where the denominator is."""
    return torch.where(denominator == 0, 0, numerator / denominator.where(denominator != 0, 1))
