"""Move embeddings by a recovered or learned group element."""

from __future__ import annotations

from torch import Tensor


def steer(z: Tensor, matrix: Tensor) -> Tensor:
    r"""Embeddings of transformed inputs, predicted without them: rows :math:`z T^t`.

    Where f(a x) = T f(x) for all x, ``steer(f(x), T)`` is what the encoder would give for a(x).
    *Retrieval*: steer the query, then take its nearest neighbours: they look as it would after a.
    *Counterfactuals*: steer, and hand the result to a classifier or decoder on embeddings.

    >>> import torch
    >>> quarter = torch.tensor([[0.0, -1.0], [1.0, 0.0]])
    >>> query, gallery = torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 0.1], [0.1, 1.0]])
    >>> torch.cdist(steer(query, quarter), gallery).argmin(-1)
    tensor([1])

    Args:
        z: embeddings f(x), shape ``(..., n, d)``.
        matrix: T, acting on columns, shape ``(..., d, d)``; of any precision.

    Returns:
        Shape ``(..., n, d)``, leading shapes broadcast, in the dtype of ``z``.

    Raises:
        ValueError: shapes do not fit.
        TypeError: the matrix is complex and the embeddings are not.
    """
    if z.ndim < 2 or matrix.ndim < 2 or matrix.shape[-2:] != (z.shape[-1], z.shape[-1]):
        raise ValueError(
            "z must have shape (..., n, d) and matrix (..., d, d), "
            f"got {tuple(z.shape)} and {tuple(matrix.shape)}; use z[None] for one embedding"
        )
    if matrix.is_complex() and not z.is_complex():
        raise TypeError(f"a complex matrix moves complex embeddings only, got z of {z.dtype}")
    return z @ matrix.to(z.dtype).mT
