"""Measures of equivariance, and of the collapse that would make them meaningless."""

from __future__ import annotations

import torch
from torch import Tensor

from equiform.forms import BilinearForm, EuclideanForm, HermitianForm, sigma
from equiform.groups import IsometryGroup
from equiform.groups._base import relative_error


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
    energy = s.square()
    total = energy.sum(-1, keepdim=True)
    p = torch.where(total > 0, energy / total.where(total > 0, 1), 0)
    return torch.special.entr(p).sum(-1).exp().to(z.real.dtype)


def wahba_error(
    source: Tensor,
    target: Tensor,
    group: IsometryGroup | None = None,
    *,
    held_out: tuple[Tensor, Tensor] | None = None,
) -> Tensor:
    r"""W_f: relative error :math:`\min_T \lVert A - B T^t\rVert_F / \lVert A\rVert_F` over a group.

    Zero for a perfectly equivariant encoder, but for a collapsed one too: read it beside
    :func:`effective_rank`.

    Args:
        source, target: embeddings B = f(x) and A = f(a x), shape ``(..., n, d)``.
        group: where T is sought; O(d), or U(d) for complex embeddings, unless given.
        held_out: other points ``(source, target)`` on which to measure the T that was fitted.

    Returns:
        Shape ``(...)``.

    Source: Gupta et al., ICLR 2024, §4, W_f, divided by the norm of A.
    """
    if group is None:
        group = _definite_form(source).isometry_group(source.shape[-1])
    fit = group.recover(source, target)
    if held_out is None:
        return fit.residual
    b, a = held_out
    return relative_error(a, b @ fit.matrix.mT)


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


def relative_equivariance_terms(
    source: Tensor, target: Tensor, form: BilinearForm | None = None
) -> tuple[Tensor, Tensor]:
    """Numerator and denominator of γ_b, for sums over transformations."""
    form = _definite_form(source) if form is None else form
    work = torch.promote_types(source.dtype, torch.float64)
    b, a = source.to(work), target.to(work)
    moved, total = a - b, a + b
    # With D = A - B and S = A + B, G_A - G_B = (X + ε X^σ) / 2 for X = D J S^σ. All norms below are
    # traces of d×d moments: ‖Y J Z^σ‖² = Re tr(Y^σY J Z^σZ J^σ), and J^σ = ε J.
    cross = sigma(total) @ moved
    x2 = _product_norm2(form, moved, total)
    trace = (form.apply(cross) * form.apply(cross).mT).sum().real
    numerator = (x2 + form.symmetry * trace) / 2
    denominator = 2 * _product_norm2(form, moved, a) + 2 * _product_norm2(form, moved, b)
    return numerator.clamp_min(0), denominator


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
    form = _definite_form(b)
    change = _squared_distances(form.gram(a)) - _squared_distances(form.gram(b))
    moved = (a - b).abs().square().sum(-1)
    return _ratio(change.square(), (moved[:, None] + moved).square()).mean()


def _definite_form(z: Tensor) -> BilinearForm:
    return HermitianForm() if z.is_complex() else EuclideanForm()


def _product_norm2(form: BilinearForm, y: Tensor, z: Tensor) -> Tensor:
    """‖Y J Z^σ‖² from the d×d moments of Y and Z."""
    my, mz = sigma(y) @ y, sigma(z) @ z
    # tr(my J mz J^σ) with J^σ = ε J: apply gives right products by J.
    return form.symmetry * (form.apply(my) * form.apply(mz).mT).sum().real


def _squared_distances(gram: Tensor) -> Tensor:
    diagonal = gram.diagonal().real
    return diagonal[:, None] + diagonal - 2 * gram.real


def _ratio(numerator: Tensor, denominator: Tensor) -> Tensor:
    """Their quotient, 0 where the denominator is."""
    return torch.where(denominator > 0, numerator / denominator.where(denominator > 0, 1), 0)
