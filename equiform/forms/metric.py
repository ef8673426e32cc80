"""A form given by its matrix, and the standard form that it is in another basis."""

from __future__ import annotations

import torch
from torch import Tensor

from equiform.forms._base import sigma
from equiform.forms.bilinear import BilinearForm
from equiform.forms.euclidean import EuclideanForm
from equiform.forms.hermitian import HermitianForm
from equiform.forms.minkowski import IndefiniteForm
from equiform.forms.signed_permutation import IndexAndSigns
from equiform.forms.symplectic import SymplecticForm


class MetricForm(BilinearForm):
    r"""The form :math:`\langle x, y\rangle = x S y^σ` of any nondegenerate matrix S.

    Such as the metric of a Mahalanobis distance, or a form that was found from data. It is written
    as :math:`S = C J C^σ` with a standard J, from the eigenvectors of S, or of iS where S is skew:
    in the coordinates x C it is Euclidean, that of R^{p,q}, symplectic or Hermitian.
    Its isometries are those of J in the other basis, :math:`T = C^{-t} T_J C^t`. What no form
    measures, such as the error of a fit, is measured by the length of x C,
    :math:`|xC|^2 = x |S| x^σ`. Rounding grows with the condition number of S.

    Args:
        S: real symmetric, real skew or complex Hermitian, and not singular, shape ``(d, d)``; kept
            in float64.
    """

    # Its tensors outlive an inference_mode that it may be made in.
    @torch.inference_mode(False)
    def __init__(self, S: Tensor) -> None:
        if not isinstance(S, Tensor) or S.dtype == torch.bool or S.layout != torch.strided:
            got = f"{S.dtype}, {S.layout}" if isinstance(S, Tensor) else type(S).__name__
            raise TypeError(
                f"MetricForm needs S as a dense tensor of numbers, got {got}; use torch.as_tensor, "
                "or to_dense"
            )
        if S.ndim != 2 or S.shape[0] != S.shape[1] or not len(S):
            raise ValueError(
                f"MetricForm needs S square, of shape (d, d), got shape {tuple(S.shape)}"
            )
        if not S.isfinite().all():
            raise ValueError(
                f"MetricForm needs a finite S, got {int((~S.isfinite()).sum())} "
                "entries that are NaN or infinite"
            )
        s = S.detach().to("cpu", torch.complex128 if S.is_complex() else torch.float64)
        # What differs by less is rounding.
        eps = torch.finfo(S.dtype if S.dtype.is_floating_point or S.is_complex() else s.dtype).eps
        self.sesquilinear = s.is_complex()
        self.symmetry = -1 if _is_near(s, -s.mT, eps) and not self.sesquilinear else 1
        if not _is_near(s, self.symmetry * sigma(s), eps):
            raise ValueError(
                "MetricForm needs a real symmetric, real skew or complex Hermitian S, got neither; "
                "use (S + S.mH) / 2, or 1j * S for a skew-Hermitian one"
            )
        s = (s + self.symmetry * sigma(s)) / 2
        values, vectors = torch.linalg.eigh(s if self.symmetry == 1 else 1j * s)
        size = values.abs()
        if not size.min() > len(s) * eps * size.max():
            raise ValueError(
                f"MetricForm needs a nondegenerate S, got one with singular values from "
                f"{size.max():.3g} to {size.min():.3g}; restrict the embeddings to a complement of "
                "its kernel, or add a small definite matrix"
            )
        values, vectors = values.flip(0), vectors.flip(1)  # positive ones first
        self._numbers = (*values.tolist(), *vectors.flatten().tolist())
        self._dim = len(s)
        self.eps = eps
        q = int((values < 0).sum())
        if self.symmetry == -1:
            self._standard = SymplecticForm()
        elif q:
            kind = _IndefiniteHermitianForm if self.sesquilinear else IndefiniteForm
            self._standard = kind(len(s) - q, q)
        else:
            self._standard = HermitianForm() if self.sesquilinear else EuclideanForm()
        # An eigenvector a + ib of iS for λ > 0 has S = λ (2 b a^t - 2 a b^t) on its plane.
        scaled = vectors * values.abs().sqrt()
        plus = 2**0.5 * scaled[:, : len(s) // 2]
        self._c = scaled if self.symmetry == 1 else torch.cat([plus.imag, plus.real], dim=1)

    def frame(self, d: int) -> Tensor:
        """C, shape ``(d, d)``."""
        self.check_dim(d)
        return self._c

    def standard(self) -> BilinearForm:
        """The form that this one is in the coordinates x C."""
        return self._standard

    def signed_permutation(self, d: int) -> IndexAndSigns:
        """That of the standard form."""
        return self.standard().signed_permutation(d)

    def _key(self) -> tuple[object, ...]:
        return self.symmetry, self.sesquilinear, self._numbers

    def __repr__(self) -> str:
        kind = "Hermitian" if self.sesquilinear else "symmetric" if self.symmetry == 1 else "skew"
        d = len(self._c)
        p, q = self.signature(d)
        return f"MetricForm({d}×{d} {kind}, signature ({p}, {q}))"


class _IndefiniteHermitianForm(IndefiniteForm):
    """The standard form of Hermitian matrices that are not definite."""

    sesquilinear = True


def _is_near(s: Tensor, other: Tensor, eps: float) -> bool:
    return bool((s - other).abs().max() <= 100 * eps * s.abs().max())
