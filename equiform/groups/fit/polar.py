"""Polar factors: by SVD with a closed-form backward, and by Newton's iteration for any form."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from equiform.forms import BilinearForm, sigma
from equiform.groups.fit._svd import svd


class _PolarFactor(torch.autograd.Function):
    r"""Q = U D V^σ of M = U S V^σ, D = I, or diag(1, …, 1, det) where ``special``.

    Writing U' = U D and S' = D S gives M = U' S' V^σ and Q = U' V^σ, whichever D is. A change dM
    moves Q by U' Ω V^σ with Ω skew, and Ω_ij (S'_i + S'_j) = (U'^σ dM V - V^σ dM^σ U')_ij, since
    the symmetric factor V S' V^σ stays symmetric. Transposing that linear map gives the backward:
    grad M = U' [(K - K^σ) / (S'_i + S'_j)] V^σ with K = U'^σ Ḡ V. Autograd through the SVD
    divides by S_i² - S_j² instead, and so is NaN at the identity.

    Where S'_i + S'_j vanishes (rank at most d - 2, or at most d - 1 with a flip) Q is not
    differentiable; those entries are set to zero and the gradient stays finite.
    """

    @staticmethod
    def forward(ctx: Any, m: Tensor, special: bool, tol: Tensor | None) -> tuple[Tensor, Tensor]:
        u, s, vh = svd(m)
        if tol is None:
            tol = s.shape[-1] * torch.finfo(s.dtype).eps * s[..., :1]
        open_ = s <= tol
        if open_.any():
            u = _complete(u, open_, vh, special)
        if special:
            last = torch.linalg.det(u @ vh).sgn().real
            s = torch.cat([s[..., :-1], s[..., -1:] * last[..., None]], dim=-1)
            u = torch.cat([u[..., :-1], u[..., -1:] * last[..., None, None]], dim=-1)
        ctx.save_for_backward(u, s, vh, tol)
        ctx.mark_non_differentiable(s)
        return u @ vh, s

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor, None, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        u, s, vh, tol = ctx.saved_tensors
        k = sigma(u) @ grad @ sigma(vh)
        sums = s[..., :, None] + s[..., None, :]
        regular = sums > tol[..., None]
        inverse = torch.where(regular, 1 / sums.where(regular, 1), 0)
        return u @ ((k - sigma(k)) * inverse) @ vh, None, None


def _complete(u: Tensor, open_: Tensor, vh: Tensor, special: bool) -> Tensor:
    """Left singular vectors that make U V^σ closest to the identity where the matrix is singular.

    The open columns U₀ may be turned to U₀ Z by any orthogonal Z; :math:`U_0 Z V_0^σ` is closest to
    I for the polar factor Z of U₀^σ V₀. The polar factor of U₁ V₁^σ + U₀ U₀^σ V₀ V₀^σ gives both
    blocks at once, with a factor 2 for the first so that a flip falls on the second.
    """
    null_u, null_v = u * open_[..., None, :], vh * open_[..., :, None]
    both = 2 * (u - null_u) @ vh + null_u @ (sigma(null_u) @ sigma(null_v)) @ null_v
    # Where U₀ and V₀ are orthogonal too, all are equally close: a negative tol leaves it at that.
    return polar_factor(both, special=special, tol=both.real.new_tensor([-1.0]))[0] @ sigma(vh)


def polar_factor(
    m: Tensor, *, special: bool = False, tol: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    r"""The orthogonal or unitary matrix nearest to ``m``, and the signed singular values.

    Where ``m`` is singular many are nearest; of those it is the one closest to the identity.

    Args:
        m: square matrices, shape ``(..., d, d)``.
        special: ask for determinant +1 of a real result (Kabsch); the last singular value then
            carries the sign that had to be flipped.
        tol: singular values up to it count as zero, shape ``(..., 1)``; d times the machine
            epsilon of ``m`` times the largest unless given.

    Returns:
        The factor, shape ``(..., d, d)``, differentiable with a finite gradient everywhere, and
        the singular values in falling order, shape ``(..., d)``.
    """
    factor, singular_values = _PolarFactor.apply(m, special, tol)
    return factor, singular_values


def newton_polar(form: BilinearForm, m: Tensor, *, max_steps: int = 60) -> Tensor:
    r"""Generalised polar factor with respect to ``form`` by :math:`Y \leftarrow (Y + Y^{-*})/2`.

    Quadratically convergent where :math:`m^* m` has no eigenvalue on the closed negative axis;
    elsewhere the result is not a group element, which the caller must check (Higham, Mackey,
    Mackey & Tisseur, SIAM J. Matrix Anal. Appl. 2005, Theorem 5.2).

    Not finite where ``m``, of shape ``(..., d, d)``, is singular; 5 to 10 steps are usual.
    """
    y = m
    for _ in range(max_steps):
        inverse = torch.linalg.inv_ex(form.adjoint(y)).inverse
        # Frobenius scaling: brings a far-off y near the group in a few steps, tends to 1 there.
        scale = (_norm(inverse) / _norm(y)).sqrt()
        new = (y * scale + inverse / scale) / 2
        change = _norm(new - y)
        y = new
        if not (change > 10 * torch.finfo(m.dtype).eps * _norm(y)).any():
            break
    return y


def _norm(m: Tensor) -> Tensor:
    return torch.linalg.matrix_norm(m, keepdim=True)
