"""Move embeddings by a recovered or learned group element."""

from __future__ import annotations

import torch
from torch import Tensor

from equiform._points import at_least, check_one_device, check_points
from equiform._precision import full_precision
from equiform.forms._range import reduced, restored


@full_precision
def steer(z: Tensor, matrix: Tensor) -> Tensor:
    r"""Embeddings of transformed inputs, predicted without them: rows :math:`z T^t`.

    Where f(a x) = T f(x) for all x, ``steer(f(x), T)`` is what the encoder would give for a(x).
    The nearest neighbours of a steered query look as it would after a.

    >>> import torch
    >>> quarter = torch.tensor([[0.0, -1.0], [1.0, 0.0]])
    >>> query, gallery = torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 0.1], [0.1, 1.0]])
    >>> torch.cdist(steer(query, quarter), gallery).argmin(-1)
    tensor([1])

    Several T: ``steer(z[None], T)`` moves all embeddings by each, ``(k, n, d)``;
    ``steer(z[:, None], T)[:, 0]`` moves each by its own.

    Args:
        z: embeddings f(x), shape ``(..., n, d)``.
        matrix: T, acting on columns, shape ``(..., d, d)``, of any precision; as many leading axes
            as z has, at most.

    Returns:
        Shape ``(..., n, d)``, leading shapes broadcast, computed in float32 or better and returned
        in the dtype of ``z``; infinite where it overflows that.
    """
    check_points(z=z, empty=True)
    check_points("(..., d, d)", matrix=matrix)
    check_one_device(z=z, matrix=matrix)
    shapes = f"got {tuple(z.shape)} and {tuple(matrix.shape)}"
    if matrix.shape[-1] != z.shape[-1]:
        raise ValueError(f"z must have shape (..., n, d) and matrix (..., d, d), {shapes}")
    if matrix.ndim > z.ndim:
        raise ValueError(
            f"matrix has more leading axes than z, {shapes}; use steer(z[None], matrix) to move "
            "all embeddings by each matrix, or steer(z[:, None], matrix)[:, 0] for one a row"
        )
    for own, other in zip(z.shape[-3::-1], matrix.shape[-3::-1], strict=False):
        if own != other and 1 not in (own, other):
            raise ValueError(f"leading shapes of z and matrix must broadcast, {shapes}")
    if matrix.is_complex() and not z.is_complex():
        raise TypeError(f"a complex matrix moves complex embeddings only, got z of {z.dtype}")
    (work,) = at_least(torch.float32, z)
    matrix = matrix.to(work.dtype)
    # Terms that overflow with either sign would cancel to NaN.
    work, factor = reduced(work, matrix, rows=True)
    return restored(work @ matrix.mT, factor).to(z.dtype)
