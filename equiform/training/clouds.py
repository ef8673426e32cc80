"""Batches of point clouds: how to make them, and their principal axes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate
from typing import Self

import torch
from torch import Tensor

from equiform.augment import CloudBatch


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
