"""The definition of the Gram-difference op: what every faster route is tested against."""

import torch
from torch import Tensor

from equiform.forms import BilinearForm


def gram_difference(
    a: Tensor, b: Tensor, form: BilinearForm, *, exclude_diagonal: bool = False
) -> Tensor:
    r"""Sum of squared Gram differences of each chunk, by the n×n matrices themselves.

    .. math:: L_c = \sum_{ij} |\langle a_i, a_j\rangle - \langle b_i, b_j\rangle|^2

    Args:
        a, b: embeddings, shape ``(..., n, d)``.
        form: the product whose Gram matrices are compared.
        exclude_diagonal: leave out the pairs i = j.

    Returns:
        Shape ``(...)``, real, in the dtype of the inputs. Memory is O(n²) a chunk.
    """
    difference = form.gram(a) - form.gram(b)
    if exclude_diagonal:
        n = difference.shape[-1]
        difference = difference.masked_fill(
            torch.eye(n, dtype=torch.bool, device=difference.device), 0
        )
    if difference.is_complex():
        difference = torch.view_as_real(difference).flatten(-2)
    return difference.square().sum((-2, -1))
