"""What all isometry groups of one form share, compact or not, and their subgroups by component."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from equiform._options import check_count
from equiform._points import at_least, squared_modulus
from equiform._precision import full_precision
from equiform.forms import BilinearForm, sigma
from equiform.groups._base import IsometryGroup
from equiform.groups._matrices import Signs
from equiform.groups._matrix_exp import isometry_exp
from equiform.groups._scale import to_unit
from equiform.groups.fit._svd import svd
from equiform.groups.fit.polar import polar_factor
from equiform.groups.fit.witt import witt_extension
from equiform.groups.moments import root
from equiform.groups.recovery import DependencyMismatch


class ClassicalGroup(IsometryGroup):
    r"""All isometries of a form on d dimensions: O(p, q), Sp(2m, R), and with U(n) its compact kin.

    A symmetric form splits the space into the eigenspaces of J for +1 and -1; the signs of the
    determinants on the two tell its components apart. Skew and sesquilinear forms have connected
    groups.
    """

    #: Eigenvalues of J whose determinant sign a subgroup holds at +1.
    _pinned: tuple[int, ...] = ()

    def __init__(self, form: BilinearForm, d: int) -> None:
        check_count("d", d)
        form.check_dim(d)
        self.form: BilinearForm = form  # pyright: ignore[reportIncompatibleVariableOverride]
        self.dim = d
        # No determinant is a sign where the group is connected.
        connected = form.sesquilinear or form.symmetry != 1
        self._eigenspaces = {} if connected else form.eigenvectors(d)

    @property
    def _free(self) -> tuple[int, ...]:
        return tuple(sign for sign in self._eigenspaces if sign not in self._pinned)

    @property
    def num_signs(self) -> int:
        """One sign for each eigenspace of J on which the determinant is free."""
        return len(self._free)

    def _basis(self) -> Tensor:
        r"""Basis :math:`X = J^{-1} S` with :math:`S^σ = -εS`."""
        d, form = self.dim, self.form
        dtype = torch.complex128 if form.sesquilinear else torch.float64
        i, j = torch.triu_indices(d, d, offset=1, device="cpu")
        lower = torch.zeros(len(i), d, d, dtype=dtype, device="cpu")
        lower[range(len(i)), j, i] = math.sqrt(0.5)
        diagonal = torch.diag_embed(torch.eye(d, dtype=dtype, device="cpu"))
        skew, symmetric = lower - lower.mT, torch.cat([diagonal, lower + lower.mT])
        if form.sesquilinear:
            s = torch.cat([skew, 1j * symmetric])
            s = s if form.symmetry == 1 else 1j * s
        else:
            s = skew if form.symmetry == 1 else symmetric
        # J⁻¹S = (S^t J)^t, as in BilinearForm.adjoint.
        return form.apply(s.mT).mT.contiguous()

    def _project_algebra(self, m: Tensor) -> Tensor:
        # * is a Frobenius isometry.
        return (m - self.form.adjoint(m)) / 2

    def _exp(self, xi: Tensor) -> Tensor:
        return isometry_exp(self.form, self._project_algebra(xi))

    def _sample(
        self, batch: tuple[int, ...], rapidity: float | Tensor, signs: Signs, **source: Any
    ) -> Tensor:
        work = torch.complex128 if self.form.sesquilinear else torch.float64
        shape = (2, *batch, self.dim, self.dim)
        noise = torch.randn(shape, dtype=work, **source)
        # The orthogonal matrices that commute with J are the maximal compact subgroup, and the
        # Gaussian on the commutant is invariant under it from both sides: its polar factor is Haar.
        commutant = (noise[0] + self.form.adjoint(sigma(noise[0]))) / 2
        k, _ = polar_factor(commutant)
        wanted = {sign: 1 for sign in self._eigenspaces if sign in self._pinned}
        if signs is not None:
            wanted |= zip(self._free, signs, strict=True)
        for sign, det in wanted.items():
            axis = self._eigenspaces[sign][:, 0].to(k)
            flip = self._determinant_sign(k, sign) != det
            k = k - 2 * flip[..., None, None] * (k @ torch.outer(axis, axis))
        x = self._project_algebra((noise[1] + sigma(noise[1])) / 2)
        norm = torch.linalg.matrix_norm(x, 2, keepdim=True)
        rapidity = torch.as_tensor(rapidity, dtype=norm.dtype, device=norm.device)
        # On a compact group x is zero up to rounding, and stays out.
        x = torch.where(norm > 1e-9, x / norm, 0) * rapidity[..., None, None]
        return k @ isometry_exp(self.form, x)

    def _component(self, t: Tensor) -> Tensor:
        """Signs of det on the free eigenspaces of J."""
        signs = [self._determinant_sign(t, sign) for sign in self._free]
        return torch.stack(signs, dim=-1) if signs else t.new_empty((*t.shape[:-2], 0)).real

    def _residual(self, t: Tensor) -> Tensor:
        scale = to_unit(t).clamp_max(1)
        t = t * scale
        eye = torch.eye(self.dim, dtype=t.dtype, device=t.device) * scale * scale
        # J is orthogonal, so J⁻¹(t^σ J t - J) has the norm of the bracket.
        defect = squared_modulus(self.form.adjoint(t) @ t - eye).sum((-2, -1))
        # The spectral norm as a product with constants: it has no second derivative where singular
        # values meet, as those of all isometries of a definite form do.
        u, _, vh = svd(t.detach())
        norm = (sigma(u[..., :1]) @ t @ sigma(vh[..., :1, :])).real[..., 0, 0]
        return root(defect) / norm.square()

    @full_precision
    def contains(self, t: Tensor, rtol: float | None = None) -> Tensor:
        """Whether ``t`` is an isometry, and in the right component of a subgroup."""
        inside = super().contains(t, rtol)
        (t,) = at_least(torch.float64, t)
        for sign in self._pinned:
            inside = inside & (self._determinant_sign(t, sign) > 0)
        return inside

    def _extend(self, source: Tensor, target: Tensor, rtol: Tensor) -> Tensor:
        *batch, n, d = source.shape
        points = (x.reshape(rtol.numel(), n, d) for x in (source, target))
        problems = zip(*points, rtol.flatten().tolist(), strict=True)
        elements = [self._extend_one(*problem) for problem in problems]
        stacked = torch.stack(elements) if elements else source.new_empty(0, d, d)
        return stacked.reshape(*batch, d, d)

    def _extend_one(self, b: Tensor, a: Tensor, rtol: float) -> Tensor:
        extension = witt_extension(self.form, b, a, rtol)
        t = extension.g.mT
        for sign in self._pinned:
            if self._determinant_sign(t, sign) < 0:
                # A reflection that fixes the target points changes the determinant.
                free = extension.frame[extension.signs == sign]
                if not len(free):
                    raise DependencyMismatch(
                        f"an isometry carries source to target, but none in {self!r}: "
                        "the points fix the component"
                    )
                # Columns: x ↦ x - 2 v <x, v> / <v, v>, and <v, v> = sign.
                t = t - 2 * sign * torch.outer(free[0], self.form.apply(free[0]).conj()) @ t
        return t

    def _determinant_sign(self, t: Tensor, sign: int) -> Tensor:
        basis = self._eigenspaces[sign].to(t)
        return torch.linalg.slogdet(basis.mT @ t.detach() @ basis).sign.real
