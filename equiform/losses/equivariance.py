"""The pairwise equivariance loss."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor, nn

from equiform import functional
from equiform.forms import EuclideanForm, Form


class CarriesForm(Protocol):
    """A geometry with a form; every equiform manifold is one."""

    @property
    def form(self) -> Form:
        """The form of the ambient space."""
        ...


class PairwiseEquivarianceLoss(nn.Module):
    r"""Asks one isometry of a form to carry the first view's embeddings to the second's.

    It matches all pairwise products of the two views and never projects: embed on a manifold
    first (``manifold.project(z)``) where the theorem asks for it.

    Args:
        form: the product to preserve; that of ``manifold``, else Euclidean, unless given.
        manifold: where the embeddings live; gives the form.
        num_chunks: consecutive chunks of the batch, each with a transformation of its own.
        normalization: ``"pairs"`` (mean over n² pairs) or ``"care"`` (the released code's scale).
        reduction: ``"mean"``, ``"sum"`` or ``"none"`` over chunks.
        backend: route of the op; ``"auto"`` chooses.
        gather_distributed: pairs run over the batch of all ranks.
        orientation: weight of :func:`equiform.functional.orientation_gap`, which asks for a
            rotation instead of any orthogonal matrix; Euclidean form only.

    Shape:
        ``(n, d), (n, d) -> ()``, or ``(num_chunks,)`` with ``reduction="none"``.

    Source: Gupta et al., ICLR 2024, eq. 1 and Algorithm 1; see
    :func:`equiform.functional.pairwise_equivariance`.
    """

    def __init__(
        self,
        form: Form | None = None,
        *,
        manifold: CarriesForm | None = None,
        num_chunks: int = 1,
        normalization: str = "pairs",
        reduction: str = "mean",
        backend: str = "auto",
        gather_distributed: bool = False,
        orientation: float = 0.0,
    ) -> None:
        super().__init__()
        if form is None:
            form = EuclideanForm() if manifold is None else manifold.form
        elif manifold is not None and manifold.form != form:
            raise ValueError(
                f"form={form} is not the form of the manifold, {manifold.form}; give one of the two"
            )
        self.form = form
        self.num_chunks = num_chunks
        self.normalization = normalization
        self.reduction = reduction
        self.backend = backend
        self.gather_distributed = gather_distributed
        self.orientation = orientation

    def forward(self, z1: Tensor, z2: Tensor) -> Tensor:
        """Loss of two views."""
        return functional.pairwise_equivariance(
            z1,
            z2,
            self.form,
            num_chunks=self.num_chunks,
            normalization=self.normalization,
            reduction=self.reduction,
            backend=self.backend,
            gather_distributed=self.gather_distributed,
            orientation=self.orientation,
        )

    def extra_repr(self) -> str:
        """The arguments that matter, for ``print(loss)``."""
        return (
            f"{self.form}, num_chunks={self.num_chunks}, normalization={self.normalization!r}, "
            f"reduction={self.reduction!r}"
        )
