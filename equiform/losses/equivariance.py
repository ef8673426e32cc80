"""The pairwise equivariance loss."""

from __future__ import annotations

from torch import Tensor, nn

from equiform import functional
from equiform.forms import Form
from equiform.functional._arguments import CarriesForm, form_of
from equiform.functional.equivariance import (
    Link,
    Normalization,
    Reduction,
    check_geometry,
    check_options,
)
from equiform.ops.gram_difference import Backend


class PairwiseEquivarianceLoss(nn.Module):
    r"""Asks one isometry of a form to carry the first view's embeddings to the second's.

    It matches all pairwise products of the two views, ``(n, d), (n, d) -> ()``, and never projects:
    embed on a manifold first (``manifold.project(z)``) where the theorem asks for it. Arguments as
    in :func:`equiform.functional.pairwise_equivariance`, checked here.

    Source: Gupta et al., ICLR 2024, eq. 1 and Algorithm 1.
    """

    def __init__(
        self,
        form: Form | None = None,
        *,
        manifold: CarriesForm | None = None,
        num_chunks: int = 1,
        normalization: Normalization = "pairs",
        center: bool = False,
        reduction: Reduction = "mean",
        backend: Backend = "auto",
        gather_distributed: bool = False,
        orientation: float = 0.0,
        link: Link = "product",
    ) -> None:
        super().__init__()
        self.form = form_of(form, manifold)
        check_options(
            num_chunks,
            normalization,
            center,
            link,
            reduction,
            backend,
            orientation,
            gather_distributed,
        )
        check_geometry(self.form, manifold, link, orientation)
        self.manifold = manifold
        # Of numpy's numbers a graph would make no constants.
        self.num_chunks, self.center = int(num_chunks), bool(center)
        self.orientation = float(orientation)
        self.normalization: Normalization = normalization
        self.link: Link = link
        self.reduction: Reduction = reduction
        self.backend: Backend = backend
        self.gather_distributed = bool(gather_distributed)

    def forward(self, z1: Tensor, z2: Tensor) -> Tensor:
        """Loss of two views."""
        return functional.pairwise_equivariance(
            z1,
            z2,
            self.form,
            manifold=None if self.link == "product" else self.manifold,
            num_chunks=self.num_chunks,
            normalization=self.normalization,
            center=self.center,
            link=self.link,
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
