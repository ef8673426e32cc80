"""Rotations of point clouds: shared by a chunk, one for each cloud, or small.

The pairwise loss compares pairs of clouds to which the *same* transformation was applied
(CARE, Gupta et al., ICLR 2024, Algorithm 1); `rotate_chunks` provides it.
"""

from __future__ import annotations

import copy
import math
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor

from equiform._options import check_count, check_number
from equiform._points import at_least, check_offsets, check_points
from equiform._precision import full_precision
from equiform.augment._arguments import check_generator
from equiform.groups import SpecialOrthogonal


class CloudBatch(Protocol):
    """What `rotate_chunks` needs of a batch of point clouds; a PyG ``Batch`` has it.

    ``pos`` (N, d) are the points of all clouds, ``ptr`` (num_clouds + 1,) where each begins, and N.
    """

    pos: Tensor
    ptr: Tensor


BatchT = TypeVar("BatchT")  # a bound would refuse PyG's Batch, which declares no pos


def random_rotations(
    *batch: int,
    d: int = 3,
    generator: torch.Generator | None = None,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
) -> Tensor:
    """Draw rotations from the Haar measure of SO(d).

    Args:
        *batch: leading shape; none gives one matrix.
        d: dimension, at least 1.
        generator, dtype, device: as of ``torch.randn``; the dtype is real. Below float32 the
            rotations are computed in float32 and rounded.

    Returns:
        ``(*batch, d, d)``, orthogonal with determinant 1, acting on column vectors: rows transform
        as ``x @ r.mT``.

    Source: Mezzadri, "How to generate random matrices from the classical compact groups", Notices
    of the AMS 54 (2007), section 5: Q of a Gaussian matrix is Haar on O(d) once R has a positive
    diagonal.
    """
    dtype = torch.get_default_dtype() if dtype is None else dtype
    check_count("d", d)
    for size in batch:
        check_count("batch", size, least=0)
    check_generator(generator)
    if not isinstance(dtype, torch.dtype) or not dtype.is_floating_point:
        raise ValueError(f"dtype must be real and floating, got {dtype!r}; use torch.float32")
    work = torch.promote_types(dtype, torch.float32)
    gaussian = torch.randn(*batch, d, d, generator=generator, dtype=work, device=device)
    q, r = torch.linalg.qr(gaussian)
    # where, not sign: a diagonal entry of exactly zero must not wipe out a column.
    q = q * torch.where(r.diagonal(dim1=-2, dim2=-1) < 0, -1.0, 1.0).unsqueeze(-2)
    # Flipping one column maps the other half of O(d) onto SO(d) and keeps the measure.
    first = q[..., :1] * torch.linalg.det(q).sign()[..., None, None]
    return torch.cat([first, q[..., 1:]], dim=-1).to(dtype)


def rotate_chunks(
    batch: BatchT, num_chunks: int, *, generator: torch.Generator | None = None
) -> tuple[BatchT, Tensor]:
    """Rotate a batch of clouds, with one Haar-random rotation for each chunk of consecutive clouds.

    Args:
        batch: a PyG ``Batch``, or anything like it (`CloudBatch`). It is not written to.
        num_chunks: how many chunks; must divide the number of clouds.
        generator: source of randomness, on the device of ``batch.pos``.

    Returns:
        A shallow copy of the batch with a new ``pos`` (all else is shared), and the rotations
        (num_chunks, d, d): in chunk c, ``new_pos = pos @ rotations[c].mT``.
    """
    pos, ptr = _clouds("rotate_chunks", batch)
    num_chunks, num_clouds = check_count("num_chunks", num_chunks), len(ptr) - 1
    if num_clouds < 1 or num_clouds % num_chunks:
        raise ValueError(
            f"a batch of {num_clouds} clouds does not divide into num_chunks={num_chunks}; choose "
            f"a divisor, and drop_last=True in the loader"
        )
    rotations = random_rotations(
        num_chunks, d=pos.shape[-1], generator=generator, dtype=pos.dtype, device=pos.device
    )
    return _turned(batch, pos, rotations, ptr[:: num_clouds // num_chunks]), rotations


def reorient(batch: BatchT, *, generator: torch.Generator | None = None) -> BatchT:
    """Turn each cloud by a Haar-random rotation of its own: no pose of a file is special.

    Arguments are those of `rotate_chunks`.
    """
    _, ptr = _clouds("reorient", batch)
    return rotate_chunks(batch, len(ptr) - 1, generator=generator)[0]


def tilt(batch: BatchT, max_degrees: float, *, generator: torch.Generator | None = None) -> BatchT:
    """Turn each cloud a little, about a uniform axis by a uniform angle: a view to be invariant to.

    Contrastive learning wants *approximate* invariance. Between views that differ by any rotation
    it would remove the orientation, which is what equivariance is to structure.

    Args:
        batch: a PyG ``Batch`` or alike, in three dimensions; not written to.
        max_degrees: largest angle, in (0, 180].
        generator: source of randomness, on the device of ``batch.pos``.
    """
    pos, ptr = _clouds("tilt", batch)
    if pos.shape[1] != 3:
        raise ValueError(f"tilt needs batch.pos of shape (N, 3), got {tuple(pos.shape)}")
    max_degrees = check_number("max_degrees", max_degrees, positive=True)
    if max_degrees > 180:
        raise ValueError(f"max_degrees must be in (0, 180], got {max_degrees}")
    check_generator(generator)
    num_clouds = len(ptr) - 1
    work = torch.promote_types(pos.dtype, torch.float32)
    # Drawn in float32 and computed as exactly as the points are given.
    source: Any = {"generator": generator, "dtype": torch.float32, "device": pos.device}
    axis = torch.randn(num_clouds, 1, 3, **source).to(work)
    share = torch.rand(num_clouds, 1, 1, **source).to(work)
    # The columns of the cross product with an axis generate the rotation about it.
    axis, eye = torch.nn.functional.normalize(axis, dim=-1), torch.eye(3).to(axis)[None]
    skew = torch.linalg.cross(axis, eye).mT
    rotations = SpecialOrthogonal(3).exp(math.radians(max_degrees) * share * skew)
    return _turned(batch, pos, rotations.to(pos.dtype), ptr)


def _clouds(function: str, batch: Any) -> tuple[Tensor, Tensor]:
    """Points of a batch and where each cloud begins; raise, as the function, unless it has both."""
    for name in ("pos", "ptr"):
        if not isinstance(getattr(batch, name, None), Tensor):
            raise TypeError(
                f"{function} needs a batch with a tensor {name}, got {type(batch).__name__} "
                "without; use Batch.from_data_list([...]) of clouds with pos"
            )
    check_points("(n, d)", real=True, empty=True, pos=batch.pos)
    check_offsets("ptr", batch.ptr, batch.pos)
    return batch.pos, batch.ptr


def _turned(batch: BatchT, pos: Tensor, rotations: Tensor, bounds: Tensor) -> BatchT:
    """A shallow copy whose points from ``bounds[i]`` to ``bounds[i + 1]`` are turned alike."""
    turned: Any = copy.copy(batch)
    turned.pos = _rotate(pos, rotations, bounds)
    return turned


@full_precision
def _rotate(pos: Tensor, rotations: Tensor, bounds: Tensor) -> Tensor:
    x, rotations = at_least(torch.float32, pos, rotations)
    of_point = rotations.repeat_interleave(bounds.diff(), dim=0, output_size=len(x))
    return torch.einsum("nij,nj->ni", of_point, x).to(pos.dtype)
