"""The loss that tells rotations from reflections."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from equiform import functional
from equiform.functional._views import reduce_chunks, split_chunks


class OrientationLoss(nn.Module):
    r"""Asks that the orthogonal matrix between two views be a rotation.

    Add it to a :class:`PairwiseEquivarianceLoss` of Euclidean embeddings, which on its own leaves
    the determinant open; that loss takes ``orientation=`` for the default term.

    Args:
        term: a function of two views ``(c, n, d)`` that gives one value a chunk;
            :func:`equiform.functional.orientation_gap` (L_σ) unless given, or
            :func:`equiform.functional.orientation_determinant` (L_or).
        num_chunks: consecutive chunks of the batch, each with a transformation of its own.
        reduction: ``"mean"``, ``"sum"`` or ``"none"`` over chunks.
        gather_distributed: chunks run over the batch of all ranks.

    Shape:
        ``(n, d), (n, d) -> ()``, or ``(num_chunks,)`` with ``reduction="none"``.
    """

    def __init__(
        self,
        term: Callable[..., Tensor] = functional.orientation_gap,
        *,
        num_chunks: int = 1,
        reduction: str = "mean",
        gather_distributed: bool = False,
    ) -> None:
        super().__init__()
        self.term = term
        self.num_chunks = num_chunks
        self.reduction = reduction
        self.gather_distributed = gather_distributed

    def forward(self, z1: Tensor, z2: Tensor) -> Tensor:
        """Loss of embeddings before and after, row by row."""
        values = self.term(
            split_chunks(z1, self.num_chunks),
            split_chunks(z2, self.num_chunks),
            gather_distributed=self.gather_distributed,
        )
        return reduce_chunks(values, self.reduction)

    def extra_repr(self) -> str:
        """The arguments that matter, for ``print(loss)``."""
        name = getattr(self.term, "__name__", repr(self.term))
        return f"{name}, num_chunks={self.num_chunks}, reduction={self.reduction!r}"
