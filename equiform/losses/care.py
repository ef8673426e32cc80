"""CARE: a contrastive loss plus a weighted equivariance loss."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from equiform.losses.contrastive import InfoNCELoss
from equiform.losses.equivariance import PairwiseEquivarianceLoss


class CARETerms(NamedTuple):
    """What :class:`CARELoss` returns: call ``backward()`` on ``total``, log the rest."""

    total: Tensor
    contrastive: Tensor
    equivariance: Tensor


class CARELoss(nn.Module):
    r""":math:`L = L_{\text{contrastive}} + λ L_{\text{equi}}` (Gupta et al., ICLR 2024, §3.1).

    The contrastive term sees views that differ image by image, the equivariance term views that
    share one transformation per chunk, so each has its own pair of embeddings.

    Args:
        contrastive: any loss of two views; :class:`InfoNCELoss` at τ = 0.5 unless given.
        equivariance: any loss of two views; :class:`PairwiseEquivarianceLoss` unless given.
        weight: λ, on the scale of the equivariance loss's normalisation.

    Shape:
        four times ``(n, d)`` -> :class:`CARETerms` of scalars
    """

    def __init__(
        self,
        contrastive: nn.Module | None = None,
        equivariance: nn.Module | None = None,
        weight: float = 0.01,
    ) -> None:
        super().__init__()
        if weight < 0:
            raise ValueError(f"weight must not be negative, got {weight}")
        self.contrastive = InfoNCELoss() if contrastive is None else contrastive
        self.equivariance = PairwiseEquivarianceLoss() if equivariance is None else equivariance
        self.weight = weight

    def forward(
        self, z1_inv: Tensor, z2_inv: Tensor, z1_equi: Tensor, z2_equi: Tensor
    ) -> CARETerms:
        """Loss of two independently augmented views and two views that share chunks."""
        contrastive = self.contrastive(z1_inv, z2_inv)
        equivariance = self.equivariance(z1_equi, z2_equi)
        return CARETerms(contrastive + self.weight * equivariance, contrastive, equivariance)

    def extra_repr(self) -> str:
        """The weight, for ``print(loss)``."""
        return f"weight={self.weight}"
