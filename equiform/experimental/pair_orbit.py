"""A loss whose zeros are the orbits of a finite group, from pairs of points."""

from __future__ import annotations

from typing import get_args

import torch
from torch import Tensor, nn

from equiform._options import check_choice, check_count
from equiform._precision import full_precision
from equiform.experimental.finite import FiniteGroup
from equiform.functional._views import two_views
from equiform.functional.equivariance import Reduction, reduce_chunks, split_chunks

#: Most numbers of pairs times elements that are held at once.
_TILE = 1 << 22


@full_precision
def pair_orbit(z1: Tensor, z2: Tensor, group: FiniteGroup) -> Tensor:
    r"""Mean over pairs of how far the best element for a pair misses it, summed over blocks.

    .. math::

        \sum_k \frac{1}{n^2} \sum_{ij} \min_{g \in G_k}
            \big(\lVert a_i - g b_i\rVert^2 + \lVert a_j - g b_j\rVert^2\big)

    taken on the coordinates on which the factor :math:`G_k` acts. It is zero where one element
    carries B to A. The converse, that a zero leaves a single g for all points, holds for every
    subgroup of U(2) on C² (two independent points fix all of g, parallel ones say the same), so
    also for U(1), SO(2) and O(2), and for products of such groups block by block. It fails from R³
    on: every pair of e1, e2, e3 and -e1, e2, e3 is related by an even change of signs, the triples
    are not.

    Not convex: the elements compete, and an optimiser may stay with a wrong one.

    Args:
        z1, z2: embeddings B before and A after, row by row, shape ``(..., n, d)``.
        group: finite, on d dimensions.

    Returns:
        One value a chunk, shape ``(...)``; infinite where squares overflow, beyond 1e19 in float32.
        Time n² times the orders of the factors, memory n times them beside a tile of fixed size.
    """
    _check_group(group)
    z1, z2 = two_views(z1, z2)
    if z1.shape[-1] != group.dim:
        raise ValueError(f"z1 and z2 must have d={group.dim}, got {tuple(z1.shape)}")
    group.form.check_embedding(z1)
    n = z1.shape[-2]
    total = z1.real.new_zeros(z1.shape[:-2])
    for misfit in group.misfits(z1, z2):
        # The minimum over g is attained at fixed elements around generic points, so what is
        # differentiated is each misfit times how many pairs chose it: no n² graph is kept.
        chosen = _choices(misfit.detach())
        # What no pair chose adds nothing, be it infinite.
        chosen_misfit = (chosen * misfit.where(chosen != 0, 0)).sum((-2, -1))
        total = total + 2 / n**2 * chosen_misfit
    return total


def _choices(misfit: Tensor) -> Tensor:
    """For each point and element, with how many partners it is the best, ``(..., n, k)``."""
    counts = torch.zeros_like(misfit)
    rows = max(1, _TILE // misfit.numel())
    for own, count in zip(misfit.split(rows, -2), counts.split(rows, -2), strict=True):
        chosen = (own[..., :, None, :] + misfit[..., None, :, :]).argmin(-1)
        count.scatter_add_(-1, chosen, torch.ones_like(chosen, dtype=misfit.dtype))
    return counts


def _check_group(group: object) -> None:
    if not isinstance(group, FiniteGroup):
        raise TypeError(f"group must be a FiniteGroup, got {group!r}")


class PairOrbitLoss(nn.Module):
    """Asks one element of a finite group to carry the first view's embeddings to the second's.

    Experimental and not convex; see :func:`pair_orbit` for what its zeros mean.

    Args:
        group: the finite group.
        num_chunks: consecutive chunks of the batch, each with an element of its own.
        reduction: ``"mean"``, ``"sum"`` or ``"none"`` over chunks.

    Shape:
        ``(n, d), (n, d) -> ()``, or ``(num_chunks,)`` with ``reduction="none"``.
    """

    def __init__(
        self, group: FiniteGroup, *, num_chunks: int = 1, reduction: Reduction = "mean"
    ) -> None:
        super().__init__()
        _check_group(group)
        self.num_chunks = check_count("num_chunks", num_chunks)
        check_choice("reduction", reduction, get_args(Reduction))
        self.group = group
        self.reduction: Reduction = reduction

    def forward(self, z1: Tensor, z2: Tensor) -> Tensor:
        """Loss of embeddings before and after, row by row."""
        z1, z2 = split_chunks(z1, z2, self.num_chunks)
        return reduce_chunks(pair_orbit(z1, z2, self.group), self.reduction)

    def extra_repr(self) -> str:
        """The arguments that matter, for ``print(loss)``."""
        return f"{self.group}, num_chunks={self.num_chunks}, reduction={self.reduction!r}"
