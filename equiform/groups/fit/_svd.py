"""The singular value decomposition, around a failure of LAPACK."""

import torch
from torch import Tensor

from equiform.forms import sigma


def svd(m: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """U, S and V^σ of square matrices, as ``torch.linalg.svd``.

    Divide and conquer (gesdd) does not converge on a few of the orthogonal matrices that fits end
    with, and one failure fails the batch. Their adjoints do converge.
    """
    try:
        return torch.linalg.svd(m)
    except torch.linalg.LinAlgError:
        u, s, vh = torch.linalg.svd(sigma(m))
        return sigma(vh), s, sigma(u)
