"""Batches of point clouds: how to make them, their views, and their principal axes."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate
from typing import Self

import torch
from torch import Tensor

from equiform.augment import CloudBatch, rotate_chunks
from equiform.augment.rotations import BatchT
from equiform.groups import SpecialOrthogonal


@dataclass
class Clouds:
    """A batch of point clouds and nothing else.

    Attributes:
        pos: points of all clouds, one cloud after the other, shape ``(N, d)``.
        ptr: where each cloud begins, and N, shape ``(num_clouds + 1,)``.
    """

    pos: Tensor | None
    ptr: Tensor

    @classmethod
    def of(cls, clouds: Iterable[Tensor]) -> Self:
        """The batch of some clouds, each of shape ``(n, d)``."""
        clouds = list(clouds)
        return cls(torch.cat(clouds), torch.tensor([0, *accumulate(map(len, clouds))]))


def reorient(batch: BatchT, *, generator: torch.Generator | None = None) -> BatchT:
    """Turn each cloud by a Haar-random rotation of its own: no pose of a file is special.

    Args:
        batch: a PyG ``Batch`` or alike; not written to.
        generator: source of randomness.
    """
    return rotate_chunks(batch, len(batch.ptr) - 1, generator=generator)[0]


def tilt(batch: BatchT, max_degrees: float, *, generator: torch.Generator | None = None) -> BatchT:
    """Turn each cloud a little, about a uniform axis by a uniform angle: a view to be invariant to.

    Contrastive learning wants *approximate* invariance. Between views that differ by any rotation
    it would remove the orientation, which is what equivariance is to structure.

    Args:
        batch: a PyG ``Batch`` or alike, in three dimensions; not written to.
        max_degrees: largest angle, in (0, 180].
        generator: source of randomness.

    Raises:
        ValueError: the batch has no points in three dimensions, or the angle is out of range.
    """
    if batch.pos is None or batch.pos.shape[-1] != 3:
        raise ValueError("tilt needs a batch with batch.pos of shape (N, 3)")
    if not 0 < max_degrees <= 180:
        raise ValueError(f"max_degrees must be in (0, 180], got {max_degrees}")
    num_clouds = len(batch.ptr) - 1
    axis = torch.nn.functional.normalize(torch.randn(num_clouds, 3, generator=generator), dim=-1)
    angle = math.radians(max_degrees) * torch.rand(num_clouds, 1, 1, generator=generator)
    # The columns of the cross product with an axis generate the rotation about it.
    skew = torch.linalg.cross(axis.unsqueeze(1), torch.eye(3).expand(num_clouds, 3, 3)).mT
    rotations = SpecialOrthogonal(3).exp(angle * skew).to(batch.pos)
    of_point = rotations.repeat_interleave(batch.ptr.diff(), dim=0)
    tilted = copy.copy(batch)
    tilted.pos = torch.einsum("nij,nj->ni", of_point, batch.pos)
    return tilted


def principal_axes(batch: CloudBatch) -> Tensor:
    """The direction in which each cloud is longest, a unit vector whose sign is arbitrary.

    Args:
        batch: a PyG ``Batch`` or alike, of centred clouds.

    Returns:
        Shape ``(num_clouds, d)``.

    Raises:
        ValueError: the batch has no points.
    """
    if batch.pos is None:
        raise ValueError("principal_axes needs a batch with batch.pos, got None")
    outer = batch.pos.unsqueeze(-1) * batch.pos.unsqueeze(-2)
    moments = torch.segment_reduce(outer.double(), "sum", offsets=batch.ptr)
    return torch.linalg.eigh(moments).eigenvectors[..., -1].to(batch.pos.dtype)
