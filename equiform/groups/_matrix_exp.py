"""The matrix exponential, around a defect of torch, and that of elements of a Lie algebra."""

import torch
from torch import Tensor

from equiform._points import values
from equiform.forms import BilinearForm
from equiform.groups._scale import to_unit


def matrix_exp(x: Tensor) -> Tensor:
    """Matrix exponential, ``(..., d, d)``, right to rounding at every norm.

    For a batch of one, torch (to 2.14 at least) takes a degree-8 polynomial with a wrong
    coefficient at norms of about 0.01 to 0.04 in float64 and 0.1 to 0.6 in float32: errors of 1e-10
    and 1e-5 (pytorch issue 196592). Batches of two or more never take it, so one is made two.
    """
    if x.shape[:-2].numel() != 1:
        return torch.linalg.matrix_exp(x)
    return torch.linalg.matrix_exp(x.expand(2, *x.shape))[0]


def isometry_exp(form: BilinearForm, x: Tensor) -> Tensor:
    """Matrix exponential of elements of the algebra, ``(..., d, d)``: an isometry at every norm.

    torch squares once for each doubling of the norm, and each time the distance to the group
    doubles. From norms of 4 on the squaring is done here, and leads back to the group each time.
    """
    halvings = ((x.shape[-1] / to_unit(x)).log2() - 2).ceil().clamp_min(0)
    seen = values(halvings)
    if seen is None:
        # The length of a graph cannot depend on values.
        return torch.where(halvings <= 18, _returned(form, matrix_exp(x)), torch.inf)
    t = _returned(form, matrix_exp(x * (-halvings).exp2()))
    for step in range(int(seen.max()) if seen.numel() else 0):
        t = torch.where(step < halvings, _returned(form, t @ t), t)
    return t


def _returned(form: BilinearForm, t: Tensor) -> Tensor:
    """A step of Newton and Schulz to the group, where the products are so small that it helps."""
    d = t.shape[-1]
    small = torch.linalg.matrix_norm(t.detach(), keepdim=True).square() <= 16 * d
    excess = form.adjoint(t) @ t - torch.eye(d, dtype=t.dtype, device=t.device)
    return torch.where(small, t - t @ excess / 2, t)
