"""The loss that tells rotations from reflections."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

from torch import Tensor, nn

from equiform import functional
from equiform._options import check_choice, check_count, check_flag
from equiform.functional._arguments import check_callable
from equiform.functional.equivariance import Reduction, reduce_chunks, split_chunks


class OrientationLoss(nn.Module):
    r"""Asks that the orthogonal matrix between two views be a rotation.

    Add it to a :class:`PairwiseEquivarianceLoss` of Euclidean embeddings, which on its own leaves
    the determinant open; that loss takes ``orientation=`` for the default term.

    Args:
        term: a function of two views ``(c, n, d)`` that gives one value a chunk;
            :func:`equiform.functional.orientation_gap` (L_σ) unless given, or
            :func:`equiform.functional.orientation_determinant` (L_or).
        num_chunks, reduction, gather_distributed: as in that loss.
    """

    def __init__(
        self,
        term: Callable[..., Tensor] = functional.orientation_gap,
        *,
        num_chunks: int = 1,
        reduction: Reduction = "mean",
        gather_distributed: bool = False,
    ) -> None:
        super().__init__()
        check_callable("term", term, "a function such as functional.orientation_gap")
        self.num_chunks = check_count("num_chunks", num_chunks)
        check_choice("reduction", reduction, get_args(Reduction))
        self.gather_distributed = check_flag("gather_distributed", gather_distributed)
        self.term = term
        self.reduction: Reduction = reduction

    def forward(self, z1: Tensor, z2: Tensor) -> Tensor:
        """Loss of embeddings before and after, row by row."""
        z1, z2 = split_chunks(z1, z2, self.num_chunks, gathered=self.gather_distributed)
        values = self.term(z1, z2, gather_distributed=self.gather_distributed)
        return reduce_chunks(values, self.reduction)

    def extra_repr(self) -> str:
        """The arguments that matter, for ``print(loss)``."""
        name = getattr(self.term, "__name__", repr(self.term))
        return f"{name}, num_chunks={self.num_chunks}, reduction={self.reduction!r}"
