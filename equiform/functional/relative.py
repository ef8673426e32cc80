"""γ: how far pairwise products move, relative to how far the embeddings do."""

from __future__ import annotations

import torch
from torch import Tensor

from equiform.forms import BilinearForm, EuclideanForm, HermitianForm, sigma
from equiform.groups import Moments


def relative_equivariance(
    source: Tensor, target: Tensor, form: BilinearForm | None = None
) -> Tensor:
    r"""γ_b: how far Grams move, relative to how far the embeddings do; in [0, 1] for every form.

    .. math::

        γ_b = \frac{\lVert G_A - G_B\rVert^2}
                   {2\lVert (A - B) J A^σ\rVert^2 + 2\lVert (A - B) J B^σ\rVert^2}

    Zero exactly when the Grams agree, about 1/2 for a random displacement, towards 1 for pure
    scaling, and unchanged when one isometry acts on both sets. Invariant embeddings, A = B, give 0.

    Args:
        source, target: embeddings B = f(x) and A = f(a x), shape ``(n, d)``.
        form: the product; Euclidean, or Hermitian for complex embeddings, unless given.

    Returns:
        A scalar, computed in float64 with O(d²) memory beside the embeddings.
    """
    numerator, denominator = relative_equivariance_terms(source, target, form)
    return _ratio(numerator, denominator)


def relative_equivariance_moments(moments: Moments, form: BilinearForm | None = None) -> Tensor:
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
        form: the product; Euclidean, or Hermitian for complex moments, unless given.

    Returns:
        Shape ``(...)``.
    """
    p, n, q = moments.source, moments.cross, moments.target
    form = _form_for(p, form)
    numerator, denominator = _terms(
        form,
        displacement=q - n - sigma(n) + p,
        total=q + n + sigma(n) + p,
        cross=q + n - sigma(n) - p,
        source=p,
        target=q,
    )
    return _ratio(numerator, denominator)


def relative_equivariance_terms(
    source: Tensor, target: Tensor, form: BilinearForm | None = None
) -> tuple[Tensor, Tensor]:
    """Numerator and denominator of γ_b, for sums over transformations."""
    form = _form_for(source, form)
    work = torch.promote_types(source.dtype, torch.float64)
    b, a = source.to(work), target.to(work)
    moved, total = a - b, a + b
    return _terms(
        form,
        displacement=sigma(moved) @ moved,
        total=sigma(total) @ total,
        cross=sigma(total) @ moved,
        source=sigma(b) @ b,
        target=sigma(a) @ a,
    )


def relative_equivariance_care(source: Tensor, target: Tensor) -> Tensor:
    r"""γ_f as the paper prints it: change of pairwise distances against displacement.

    .. math::

        γ_f = \mathrm{E}_{x, x'} \left[\frac{(\lVert f(ax') - f(ax)\rVert^2 - \lVert f(x') -
        f(x)\rVert^2)^2}{(\lVert f(ax') - f(x')\rVert^2 + \lVert f(ax) - f(x)\rVert^2)^2}\right]

    Not scale-free: the numerator falls as the square of the displacement and the denominator as
    its fourth power, so it grows as an encoder becomes invariant. :func:`relative_equivariance`
    has no such defect. Pairs of points that do not move at all count as 0.

    Args:
        source, target: embeddings f(x) and f(a x), shape ``(n, d)``.

    Source: Gupta et al., ICLR 2024, §4.
    """
    work = torch.promote_types(source.dtype, torch.float64)
    b, a = source.to(work), target.to(work)
    form = _form_for(b, None)
    change = _squared_distances(form.gram(a)) - _squared_distances(form.gram(b))
    moved = (a - b).abs().square().sum(-1)
    return _ratio(change.square(), (moved[:, None] + moved).square()).mean()


def _form_for(z: Tensor, form: BilinearForm | None) -> BilinearForm:
    """The form, by default the definite one, after a check that it takes rows of z."""
    if form is None:
        form = HermitianForm() if z.is_complex() else EuclideanForm()
    form.check_embedding(z)
    return form


def _terms(
    form: BilinearForm,
    *,
    displacement: Tensor,
    total: Tensor,
    cross: Tensor,
    source: Tensor,
    target: Tensor,
) -> tuple[Tensor, Tensor]:
    """Numerator and denominator from D^σD, S^σS, S^σD, B^σB and A^σA, of D = A - B, S = A + B."""
    # G_A - G_B = (X + ε X^σ) / 2 for X = D J S^σ. All norms below are traces of d×d moments:
    # ‖Y J Z^σ‖² = Re tr(Y^σY J Z^σZ J^σ), and J^σ = ε J.
    x2 = _product_norm2(form, displacement, total)
    trace = (form.apply(cross) * form.apply(cross).mT).sum((-2, -1)).real
    numerator = (x2 + form.symmetry * trace) / 2
    denominator = 2 * (
        _product_norm2(form, displacement, target) + _product_norm2(form, displacement, source)
    )
    return numerator.clamp_min(0), denominator


def _product_norm2(form: BilinearForm, my: Tensor, mz: Tensor) -> Tensor:
    """‖Y J Z^σ‖² from the d×d moments of Y and Z."""
    # tr(my J mz J^σ) with J^σ = ε J: apply gives right products by J.
    return form.symmetry * (form.apply(my) * form.apply(mz).mT).sum((-2, -1)).real


def _squared_distances(gram: Tensor) -> Tensor:
    diagonal = gram.diagonal().real
    return diagonal[:, None] + diagonal - 2 * gram.real


def _ratio(numerator: Tensor, denominator: Tensor) -> Tensor:
    """Their quotient, 0 where the denominator is."""
    return torch.where(denominator > 0, numerator / denominator.where(denominator > 0, 1), 0)
