"""Linear probes: what can be read linearly from the embedding of a frozen encoder."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn


def require_frozen(encoder: nn.Module) -> None:
    """Raise unless every part of an encoder is in eval mode.

    A probe that leaves batch norms in train mode lets its own data move the encoder.

    Raises:
        RuntimeError: a part is in train mode.
    """
    training = [name or type(encoder).__name__ for name, m in encoder.named_modules() if m.training]
    if training:
        raise RuntimeError(
            f"the encoder is not frozen: {training[0]} is in train mode; call encoder.eval() first"
        )


class LinearProbe(NamedTuple):
    """An affine map from embeddings to targets.

    Attributes:
        weight: (d, k).
        bias: (k,).
    """

    weight: Tensor
    bias: Tensor

    def __call__(self, z: Tensor) -> Tensor:
        """Predicted targets, ``(n, d) -> (n, k)`` float64."""
        return z.to(self.weight.dtype) @ self.weight + self.bias


def fit_ridge(z: Tensor, targets: Tensor, *, penalty: float = 1e-6) -> LinearProbe:
    r"""Ridge regression in float64, :math:`\min \mathrm{mean}_i |W^t z_i + b - y_i|^2 + α |W|^2`.

    Args:
        z: embeddings, shape ``(n, d)``.
        targets: y, shape ``(n, k)``.
        penalty: α, positive; the bias is not penalised.

    Raises:
        ValueError: the shapes do not fit, or the penalty is not positive.
    """
    if z.ndim != 2 or targets.ndim != 2 or len(z) != len(targets) or not len(z):
        raise ValueError(
            f"fit_ridge needs z (n, d) and targets (n, k), n > 0, got {tuple(z.shape)} and "
            f"{tuple(targets.shape)}"
        )
    if not penalty > 0:
        raise ValueError(f"penalty must be positive, got {penalty}")
    z, targets = z.double(), targets.double()
    z_mean, y_mean = z.mean(0), targets.mean(0)
    centred = z - z_mean
    moment = centred.mT @ centred / len(z)
    moment.diagonal().add_(penalty)
    weight = torch.linalg.solve(moment, centred.mT @ (targets - y_mean) / len(z))
    return LinearProbe(weight, y_mean - z_mean @ weight)


class AxisError(NamedTuple):
    """How far predicted axes are from true ones.

    Attributes:
        median_angle: degrees, in [0, 90]; 60 for random axes in R³.
        mse: mean of :math:`|P - v v^t|_F^2` over the axes; 2/3 for the best constant P in R³.
    """

    median_angle: float
    mse: float


def probe_axis(
    z: Tensor, axes: Tensor, test_z: Tensor, test_axes: Tensor, *, penalty: float = 1e-6
) -> AxisError:
    r"""Read an axis, which has no sign, from embeddings: regress :math:`v v^t` linearly.

    The predicted axis is the top eigenvector of the symmetric part of the predicted matrix.

    Args:
        z: embeddings to fit on, shape ``(n, d)``.
        axes: their unit vectors v, shape ``(n, 3)``; the sign does not matter.
        test_z, test_axes: those to measure on.
        penalty: of :func:`fit_ridge`.
    """
    angles, squares = axis_errors(z, axes, test_z, test_axes, penalty=penalty)
    return AxisError(angles.median().item(), squares.mean().item())


def axis_errors(
    z: Tensor, axes: Tensor, test_z: Tensor, test_axes: Tensor, *, penalty: float = 1e-6
) -> tuple[Tensor, Tensor]:
    r"""Of each test axis what :func:`probe_axis` summarises.

    Returns:
        The angle in degrees and :math:`|P - v v^t|_F^2`, each ``(n,)`` float64.
    """
    truth = _outer(test_axes.double())
    probe = fit_ridge(z, _outer(axes).flatten(1), penalty=penalty)
    predicted = probe(test_z).view_as(truth)
    top = torch.linalg.eigh((predicted + predicted.mT) / 2).eigenvectors[..., -1]
    # The sine is taken as well: acos alone resolves no angle under 1e-8, and one near 0 badly.
    cosine = (top * test_axes).sum(-1).abs()
    sine = torch.linalg.vector_norm(torch.linalg.cross(top, test_axes.double()), dim=-1)
    return torch.rad2deg(torch.atan2(sine, cosine)), (predicted - truth).square().sum((-2, -1))


def _outer(axes: Tensor) -> Tensor:
    return axes.unsqueeze(-1) * axes.unsqueeze(-2)
