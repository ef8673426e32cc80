"""The definition of the Gram-difference op: what every faster route is tested against."""

import torch
from torch import Tensor

from equiform._points import squared_modulus
from equiform.forms import BilinearForm
from equiform.ops.overflow import infinite_overflow


def gram_difference(
    a: Tensor,
    b: Tensor,
    form: BilinearForm,
    *,
    mask: Tensor | None = None,
    exclude_diagonal: bool = False,
) -> Tensor:
    r"""Sum of squared Gram differences of each chunk, by the n×n matrices themselves.

    .. math:: L_c = \sum_{ij} m_{ij} |\langle a_i, a_j\rangle - \langle b_i, b_j\rangle|^2

    Arguments as in :func:`equiform.ops.gram_difference`, with a mask ``(..., n, n)``; memory O(n²).
    """
    squared = squared_modulus(form.gram(a) - form.gram(b))
    if mask is not None:
        squared = squared * mask
    if exclude_diagonal:
        eye = torch.eye(a.shape[-2], dtype=torch.bool, device=a.device)
        squared = squared.masked_fill(eye, 0)
    return infinite_overflow(squared.sum((-2, -1)), a.detach(), b.detach())
