"""Witt's theorem as an algorithm: the isometry that extends a map between two point sets."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from equiform.forms import BilinearForm, sigma
from equiform.groups.recovery import DependencyMismatch


class Extension(NamedTuple):
    """An isometry in row action (A = B g) and the frame on which it was free to choose.

    ``frame`` holds form-orthonormal rows that span the complement of A's nondegenerate hull, and
    ``signs`` their squares ±1: a reflection along one of them changes g and keeps A = B g. For a
    skew form there is no such reflection and ``signs`` is empty.
    """

    g: Tensor
    frame: Tensor
    signs: Tensor


def witt_extension(form: BilinearForm, b: Tensor, a: Tensor, rtol: float) -> Extension:
    r"""An isometry g with A = B g, for one pair of point sets of shape ``(n, d)``.

    The span of the rows splits into a nondegenerate part N and the radical R, the vectors
    orthogonal to the whole span. Hyperbolic partners R' of R (⟨R, R'⟩ = I) and a standard basis Z
    of what is left complete [N; R; R'; Z] to a basis of the space with the same Gram matrix on
    both sides, so mapping one basis to the other is the isometry.

    Raises:
        DependencyMismatch: no isometry does it.
    """
    u, s, vh = torch.linalg.svd(b, full_matrices=False)
    r = int((s > rtol * s[:1]).sum()) if s.numel() and s[0] > 0 else 0
    w_b = vh[:r]
    w_a = sigma(u[:, :r] / s[:r]) @ a
    if not w_a.isfinite().all():
        raise DependencyMismatch(
            "the target points are larger than the source points by more than their numbers can "
            "say; no isometry relates them"
        )
    _check_dependencies(form, b, a, u[:, :r] * s[:r], w_b, w_a, rtol)

    # Left singular vectors of the span's Gram matrix separate N (nonzero) from R (zero).
    frame, strength, _ = torch.linalg.svd(form.gram(w_b))
    k = int((strength <= rtol**0.5).sum())
    rotation = sigma(frame)
    basis_b = _standard_basis(form, rotation @ w_b, k)
    basis_a = _standard_basis(form, rotation @ w_a, k)
    if basis_b.signs.tolist() != basis_a.signs.tolist():
        raise DependencyMismatch(
            "source and target span subspaces of different signature; no isometry relates them"
        )
    return Extension(torch.linalg.solve(basis_b.g, basis_a.g), basis_a.frame, basis_a.signs)


def _check_dependencies(
    form: BilinearForm,
    b: Tensor,
    a: Tensor,
    coordinates: Tensor,
    w_b: Tensor,
    w_a: Tensor,
    rtol: float,
) -> None:
    """Raise unless w_b ↦ w_a is a well-defined injective isometry that carries B to A."""
    scale = torch.linalg.matrix_norm(a).clamp_min(torch.linalg.matrix_norm(b))
    if torch.linalg.matrix_norm(a - coordinates @ w_a) > rtol * scale:
        raise DependencyMismatch(
            f"the {len(a)} target points do not satisfy the linear dependencies of the source "
            f"points (rank {len(w_b)}); no isometry relates them"
        )
    norm = torch.linalg.matrix_norm(w_a, 2) if len(w_a) else scale.new_zeros(())
    if len(w_a) and torch.linalg.svdvals(w_a)[-1] <= rtol * norm.clamp_min(1):
        raise DependencyMismatch(
            "the target points satisfy linear dependencies that the source points do not; "
            "no isometry relates them"
        )
    defect = torch.linalg.matrix_norm(form.gram(w_a) - form.gram(w_b))
    if defect > rtol**0.5 * norm.clamp_min(1) ** 2:
        raise DependencyMismatch(
            f"the Gram matrices of source and target differ (by {defect:.2g} on a span of norm "
            f"{norm:.2g}); no isometry relates them"
        )


def _standard_basis(form: BilinearForm, w: Tensor, k: int) -> Extension:
    """Complete rows w = [N; R], the last k of them radical, to the basis [N; R; R'; Z]."""
    n, r = w[: len(w) - k], w[len(w) - k :]
    # N^⊥-projection: x - <x, N> <N, N>⁻¹ N.
    gram_n = form.gram(n)
    # The pseudo-inverse of R J gives partners with <R, R'> = I. Moving them into N^⊥ keeps that,
    # because R is there.
    rj = form.apply(r)
    partners = torch.linalg.solve(rj @ sigma(rj), rj)
    partners = partners - torch.linalg.solve(gram_n, form.gram(partners, n), left=False) @ n
    # Then make the partners isotropic among themselves.
    partners = partners - form.gram(partners) @ r / 2
    hull = torch.cat([n, r, partners])
    complement = _complement(form, hull)
    z, signs = _standardise(form, complement)
    return Extension(torch.cat([hull, z]), z, signs)


def _complement(form: BilinearForm, rows: Tensor) -> Tensor:
    """Orthonormal rows that span the form-orthogonal complement of ``rows``."""
    d = rows.shape[-1]
    if not len(rows):
        return torch.eye(d, dtype=rows.dtype, device=rows.device)
    # <x, rows> = 0 says that conj(x) is in the kernel of (rows J^σ); J^σ is ± J.
    _, _, vh = torch.linalg.svd(form.apply(rows))
    return vh[len(rows) :]


def _standardise(form: BilinearForm, c: Tensor) -> tuple[Tensor, Tensor]:
    """Change basis so that the nondegenerate Gram matrix of rows ``c`` takes its normal form."""
    gram = form.gram(c)
    if form.symmetry == 1:
        values, vectors = torch.linalg.eigh((gram + sigma(gram)) / 2)
        return sigma(vectors) @ c / values.abs().sqrt()[:, None], values.sgn()
    if form.sesquilinear:
        # i times a skew-Hermitian Gram matrix is Hermitian: the same normal form, ±i for ±1.
        values, vectors = torch.linalg.eigh(1j * (gram - sigma(gram)) / 2)
        return sigma(vectors) @ c / values.abs().sqrt()[:, None], values.sgn()
    # Darboux: an eigenvector x + iy of the Hermitian i G with eigenvalue λ > 0 spans a plane with
    # orthonormal √2 x, √2 y and <√2 y, √2 x> = λ, orthogonal to the other planes.
    values, vectors = torch.linalg.eigh(1j * (gram - gram.mT) / 2)
    m = len(c) // 2
    scaled = vectors[:, m:] * (2 / values[m:]).sqrt()
    return torch.cat([scaled.real.mT, scaled.imag.mT]) @ c, values.new_empty(0)
