"""Factorisations around the failures of LAPACK; NaN where a matrix is not finite."""

import torch
from torch import Tensor

from equiform.forms import sigma


def svd(m: Tensor, *, full_matrices: bool = True) -> tuple[Tensor, Tensor, Tensor]:
    """U, S and V^σ, as ``torch.linalg.svd``.

    Divide and conquer (gesdd) does not converge on a few of the orthogonal matrices that fits end
    with, and one failure fails the batch. Their adjoints do converge.
    """
    try:
        return torch.linalg.svd(m, full_matrices=full_matrices)
    except torch.linalg.LinAlgError:
        finite = m.isfinite().all(-1).all(-1)[..., None, None]
        u, s, vh = torch.linalg.svd(sigma(m).where(finite, 0), full_matrices=full_matrices)
        return sigma(vh).where(finite, torch.nan), s.where(finite[..., 0], torch.nan), sigma(u)


def eigh(m: Tensor) -> tuple[Tensor, Tensor]:
    """As ``torch.linalg.eigh``, with NaN for matrices that are not finite."""
    finite = m.isfinite().all(-1).all(-1)[..., None, None]
    values, vectors = torch.linalg.eigh(m.where(finite, 0))
    return values.where(finite[..., 0], torch.nan), vectors.where(finite, torch.nan)
