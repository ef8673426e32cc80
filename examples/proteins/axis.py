"""The longest axis of a chain, and how well it can be read linearly from an embedding."""

from __future__ import annotations

import torch
from torch import Tensor

from equiform.augment import CloudBatch
from equiform.probes import fit_ridge


def principal_axes(batch: CloudBatch) -> Tensor:
    """The direction in which each centred cloud is longest, a unit vector of arbitrary sign.

    Returns:
        Shape ``(num_clouds, d)``.
    """
    outer = batch.pos.unsqueeze(-1) * batch.pos.unsqueeze(-2)
    moments = torch.segment_reduce(outer.double(), "sum", offsets=batch.ptr)
    return torch.linalg.eigh(moments).eigenvectors[..., -1].to(batch.pos.dtype)


def axis_errors(
    z: Tensor, axes: Tensor, test_z: Tensor, test_axes: Tensor, *, penalty: float = 1e-6
) -> tuple[Tensor, Tensor]:
    r"""Read an axis, which has no sign, from embeddings: regress :math:`v v^t` linearly.

    The predicted axis is the top eigenvector of the symmetric part of the predicted matrix P.

    Args:
        z: embeddings to fit on, shape ``(n, d)``.
        axes: their unit vectors v, shape ``(n, 3)``; the sign does not matter.
        test_z, test_axes: those to measure on.
        penalty: of :func:`equiform.probes.fit_ridge`.

    Returns:
        For each test axis the angle to the predicted one in degrees, in [0, 90], the median of
        which is 60 for random axes; and :math:`|P - v v^t|_F^2`, the mean of which is 2/3 for the
        best constant P. Each ``(n,)`` float64.
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
