"""Ridge regression: what can be read linearly from the embedding of a frozen encoder."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from equiform._options import check_number
from equiform._points import check_one_device, check_points


class LinearProbe(NamedTuple):
    """An affine map from embeddings to targets, of weight (d, k) and bias (k,)."""

    weight: Tensor
    bias: Tensor

    def __call__(self, z: Tensor) -> Tensor:
        """Predicted targets, ``(n, d) -> (n, k)`` float64."""
        check_points("(n, d)", real=True, empty=True, z=z)
        if z.shape[1] != len(self.weight):
            raise ValueError(f"z must have shape (n, {len(self.weight)}), got {tuple(z.shape)}")
        return z.to(self.weight.dtype) @ self.weight + self.bias


def fit_ridge(z: Tensor, targets: Tensor, *, penalty: float = 1e-6) -> LinearProbe:
    r"""Ridge regression in float64, :math:`\min \mathrm{mean}_i |W^t z_i + b - y_i|^2 + α |W|^2`.

    Args:
        z: embeddings, real, shape ``(n, d)``.
        targets: y, real, shape ``(n, k)``.
        penalty: α, positive; the bias is not penalised.

    Raises:
        ValueError: a number that is asked for is none, the embeddings or targets are so large that
            their products overflow, or the penalty is lost in rounding.
    """
    check_points("(n, d)", real=True, finite=True, z=z)
    if isinstance(targets, Tensor) and targets.ndim == 1:
        raise ValueError("targets must have shape (n, k), got (n,); use targets[:, None] for one")
    check_points("(n, d)", real=True, finite=True, targets=targets)
    check_one_device(z=z, targets=targets)
    if len(z) != len(targets):
        given = f"{tuple(z.shape)} and {tuple(targets.shape)}"
        raise ValueError(f"fit_ridge needs z (n, d) and targets (n, k), got {given}")
    penalty = check_number("penalty", penalty, positive=True)
    z, targets = z.double(), targets.double()
    z_mean, y_mean = z.mean(0), targets.mean(0)
    centred = z - z_mean
    moment = centred.mT @ centred / len(z)
    moment.diagonal().add_(penalty)
    cross = centred.mT @ (targets - y_mean) / len(z)
    for name, product in (("z", moment), ("z and targets", cross)):
        if not product.isfinite().all():
            raise ValueError(
                f"products of {name} must be finite, and overflow; divide by their size"
            )
    weight, singular = torch.linalg.solve_ex(moment, cross)
    if singular or not weight.isfinite().all():
        raise ValueError(
            f"penalty must not be lost beside the moments of z, which are singular, got {penalty}"
        )
    return LinearProbe(weight, y_mean - z_mean @ weight)
