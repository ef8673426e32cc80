"""Polar factors: by SVD, and by Newton's iteration for any form."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from equiform._points import anywhere, values
from equiform.forms import BilinearForm, sigma
from equiform.groups.fit._svd import svd
from equiform.groups.fit.implicit import along, attached


def polar_factor(
    m: Tensor, *, special: bool = False, tol: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    r"""The orthogonal or unitary matrix nearest to ``m``, and the signed singular values.

    Where ``m`` is singular many are nearest; of those it is the one closest to the identity.

    With M = U S V^σ it is Q = U D V^σ, D = I, or diag(1, …, 1, det) where ``special``. What M = Q H
    leaves of it, :math:`H = Q^σ M`, is Hermitian: :math:`Q e^X` is the factor of M + dM where
    :math:`X H + H X = Q^σ dM - dM^σ Q`, and with H = V D S V^σ that is solved entry by entry.
    Autograd through the SVD divides by S_i² - S_j² instead, and so is NaN at the identity.

    Where S_i + S_j vanishes (rank at most d - 2, or at most d - 1 with a flip) Q is not
    differentiable; those entries are set to zero and the gradient stays finite.

    Args:
        m: square matrices, shape ``(..., d, d)``, finite.
        special: ask for determinant +1 of a real result (Kabsch); the last singular value then
            carries the sign that had to be flipped.
        tol: singular values up to it count as zero, shape ``(..., 1)``; d times the machine
            epsilon of ``m`` times the largest unless given.

    Returns:
        The factor, shape ``(..., d, d)``, differentiable twice and with a finite gradient
        everywhere, and the singular values in falling order, shape ``(..., d)``.
    """
    u, s, vh = svd(m.detach())
    if tol is None:
        tol = s.shape[-1] * torch.finfo(s.dtype).eps * s[..., :1]
    open_ = s <= tol
    if anywhere(open_):
        u = _complete(u, open_, vh, special)
    u, s = _oriented(u, s, vh, special)
    return with_polar_derivative(u @ vh, m, sigma(vh), s, tol, sigma), s


def with_polar_derivative(
    t: Tensor,
    m: Tensor,
    v: Tensor,
    values: Tensor,
    tol: Tensor,
    adjoint: Callable[[Tensor], Tensor],
) -> Tensor:
    """The factor t of m = t h with its derivatives, where h = v diag(values) v* is self-adjoint.

    Both t and v are isometries, whose inverses are their adjoints. Where the sum of two values is
    ``tol`` at the most, of shape ``(..., 1)``, t stays as it is.
    """
    sums = values[..., :, None] + values[..., None, :]
    # So that no reciprocal overflows, nor what it is multiplied by.
    regular = sums.abs() > tol[..., None].clamp_min(torch.finfo(sums.dtype).tiny ** 0.5)
    share = torch.where(regular, 1 / sums.where(regular, 1), 0)

    def defect(t: Tensor) -> Tensor:
        h = adjoint(t) @ m
        return h - adjoint(h)

    return attached(
        t, defect, lambda t, r: along(t, v @ ((adjoint(v) @ r @ v) * share) @ adjoint(v))
    )


def _oriented(u: Tensor, s: Tensor, vh: Tensor, special: bool) -> tuple[Tensor, Tensor]:
    """U and S with the sign in their last column that makes det(U V^σ) = 1, where ``special``."""
    if special:
        last = torch.linalg.det(u @ vh).sgn().real
        s = torch.cat([s[..., :-1], s[..., -1:] * last[..., None]], dim=-1)
        u = torch.cat([u[..., :-1], u[..., -1:] * last[..., None, None]], dim=-1)
    return u, s


def _complete(u: Tensor, open_: Tensor, vh: Tensor, special: bool) -> Tensor:
    """Left singular vectors that make U V^σ closest to the identity where the matrix is singular.

    The open columns U₀ may be turned to U₀ Z by any orthogonal Z; :math:`U_0 Z V_0^σ` is closest to
    I for the polar factor Z of U₀^σ V₀. The polar factor of U₁ V₁^σ + U₀ U₀^σ V₀ V₀^σ gives both
    blocks at once, with a factor 2 for the first so that a flip falls on the second.
    """
    null_u, null_v = u * open_[..., None, :], vh * open_[..., :, None]
    both = 2 * (u - null_u) @ vh + null_u @ (sigma(null_u) @ sigma(null_v)) @ null_v
    # Where U₀ and V₀ are orthogonal too, all are equally close.
    left, s, right = svd(both)
    left, _ = _oriented(left, s, right, special)
    return left @ right @ sigma(vh)


def newton_polar(form: BilinearForm, m: Tensor) -> Tensor:
    r"""Generalised polar factor with respect to ``form`` by :math:`Y \leftarrow (Y + Y^{-*})/2`.

    Quadratically convergent where :math:`m^* m` has no eigenvalue on the closed negative axis;
    elsewhere the result is not a group element, which the caller must check (Higham, Mackey,
    Mackey & Tisseur, SIAM J. Matrix Anal. Appl. 2005, Theorem 5.2).

    Not finite where ``m``, of shape ``(..., d, d)``, is singular; 5 to 10 steps are usual.
    """
    y = m
    for _ in range(60 if values(m) is not None else 12):
        inverse = torch.linalg.inv_ex(form.adjoint(y)).inverse
        # Frobenius scaling: brings a far-off y near the group in a few steps, tends to 1 there.
        scale = (_norm(inverse) / _norm(y)).sqrt()
        new = (y * scale + inverse / scale) / 2
        change = _norm(new - y)
        y = new
        if not anywhere(change > 10 * torch.finfo(m.dtype).eps * _norm(y)):
            break
    return y


def _norm(m: Tensor) -> Tensor:
    return torch.linalg.matrix_norm(m, keepdim=True)
