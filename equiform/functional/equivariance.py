"""The pairwise equivariance loss."""

from __future__ import annotations

import torch
from torch import Tensor

from equiform.forms import EuclideanForm, Form
from equiform.functional._views import full_precision, reduce_chunks, split_chunks
from equiform.functional.orientation import orientation_gap
from equiform.ops import gram_difference
from equiform.ops.distributed import sum_over_ranks


@full_precision
def pairwise_equivariance(
    z1: Tensor,
    z2: Tensor,
    form: Form | None = None,
    *,
    num_chunks: int = 1,
    normalization: str = "pairs",
    reduction: str = "mean",
    backend: str = "auto",
    gather_distributed: bool = False,
    orientation: float = 0.0,
) -> Tensor:
    r"""Mean squared difference of all pairwise products before and after a transformation.

    .. math:: \frac{1}{n^2} \sum_{ij} |\langle z^1_i, z^1_j\rangle - \langle z^2_i, z^2_j\rangle|^2

    It is zero exactly when the Gram matrices agree (with ``"care"``, off their diagonals, which is
    the same where the manifold or a skew form fixes :math:`\langle z, z\rangle`). One isometry T
    then carries ``z1`` to ``z2``: always for Euclidean and Hermitian forms and on the hyperboloid,
    otherwise where both spans are nondegenerate (Gupta et al., ICLR 2024, eq. 1 and Proposition 4,
    for the Euclidean form).

    Args:
        z1, z2: embeddings of the two views, shape ``(n, d)``, or ``(c, n, d)`` for c chunks.
        form: the product to preserve; Euclidean unless given.
        num_chunks: split ``(n, d)`` views into this many consecutive chunks, each with a
            transformation of its own; pairs never cross chunks.
        normalization: ``"pairs"``, the paper's expectation: the mean over all n² ordered pairs of
            a chunk; ``"care"``, the released code: :math:`2\,\mathrm{mean}_i \sum_{j \ne i}`,
            which for unit vectors is 2n times the former. A weight λ belongs to one of them.
        reduction: ``"mean"``, ``"sum"`` or ``"none"`` over chunks.
        backend: see :func:`equiform.ops.gram_difference`.
        gather_distributed: let pairs run over the rows of all ranks, chunk by chunk, with the
            gradient that DistributedDataParallel averages to that of one process on the whole
            batch. n is then the number of rows of all ranks.
        orientation: weight of :func:`orientation_gap`, added chunk by chunk: asks for a rotation,
            SO(d), where the products alone allow reflections as well. Euclidean form only.

    Returns:
        A scalar, or shape ``(c,)`` with ``reduction="none"``.

    Raises:
        ValueError: shapes differ, the batch does not divide into chunks, an option is unknown, or
            ``orientation`` is negative or asked of a form that is not Euclidean.
        TypeError: the form cannot take the dtype.
    """
    form = EuclideanForm() if form is None else form
    if not orientation >= 0:
        raise ValueError(f"orientation must not be negative, got {orientation}")
    if orientation and not isinstance(form, EuclideanForm):
        raise ValueError(
            f"orientation={orientation} needs EuclideanForm(), got {form}; leave it at 0"
        )
    z1, z2 = split_chunks(z1, num_chunks), split_chunks(z2, num_chunks)
    n: float | Tensor = z1.shape[-2]
    if gather_distributed:
        n = sum_over_ranks(torch.tensor(n, dtype=torch.float64, device=z1.device))
    if normalization == "pairs":
        scale = 1 / n**2
    elif normalization == "care":
        scale = 2 / n
    else:
        raise ValueError(f"normalization must be 'pairs' or 'care', got {normalization!r}")
    loss = scale * gram_difference(
        z1,
        z2,
        form,
        exclude_diagonal=normalization == "care",
        backend=backend,
        gather_distributed=gather_distributed,
    )
    if orientation:
        gap = orientation_gap(z1, z2, gather_distributed=gather_distributed)
        loss = loss + orientation * gap
    return reduce_chunks(loss, reduction)
