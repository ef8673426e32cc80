"""CARE: a contrastive loss plus a weighted equivariance loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from torch import Tensor, nn

from equiform._options import check_count, check_number
from equiform.functional._arguments import Geometry, check_callable
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
    share one transformation per chunk, so each has its own pair of embeddings. The defaults are the
    paper's for CIFAR-10: InfoNCE at τ = 0.5 and λ = 0.01 on the scale of the released code,
    ``normalization="care"``; on another scale another λ is meant.

    Args:
        contrastive: any loss of two views, and of what else it is given; :class:`InfoNCELoss` on
            the manifold unless given.
        equivariance: any loss of two views; :class:`PairwiseEquivarianceLoss` on the manifold, with
            the chunks and ``normalization="care"``, unless given.
        weight: λ, on the scale of the equivariance loss's normalisation.
        manifold: of the terms that are not given.
        num_chunks: of the equivariance term that is not given.

    Raises:
        TypeError, ValueError: ``weight`` is not a number from 0 on, a term is no function, or a
            manifold or chunks are given beside the terms that they would have gone to.
    """

    def __init__(
        self,
        contrastive: Callable[..., Tensor] | None = None,
        equivariance: Callable[[Tensor, Tensor], Tensor] | None = None,
        weight: float = 0.01,
        *,
        manifold: Geometry | None = None,
        num_chunks: int = 1,
    ) -> None:
        super().__init__()
        self.weight = check_number("weight", weight)
        num_chunks = check_count("num_chunks", num_chunks)
        for name, term in {"contrastive": contrastive, "equivariance": equivariance}.items():
            if term is not None:
                check_callable(name, term, "a loss such as InfoNCELoss()")
        if equivariance is not None and num_chunks != 1:
            raise ValueError(
                f"num_chunks={num_chunks} is of the default equivariance term; give it to the one "
                "that you pass: PairwiseEquivarianceLoss(num_chunks=...)"
            )
        if manifold is not None and contrastive is not None and equivariance is not None:
            raise ValueError(
                f"manifold={manifold!r} is of the default terms; give it to those that you pass"
            )
        if contrastive is None:
            contrastive = InfoNCELoss(manifold=manifold)
        if equivariance is None:
            equivariance = PairwiseEquivarianceLoss(
                manifold=manifold, num_chunks=num_chunks, normalization="care"
            )
        self.contrastive = contrastive
        self.equivariance = equivariance

    def forward(
        self,
        z1_inv: Tensor,
        z2_inv: Tensor,
        z1_equi: Tensor,
        z2_equi: Tensor,
        *args: Any,
        **kwargs: Any,
    ) -> CARETerms:
        """Loss of two independently augmented views and two views that share chunks.

        Args:
            z1_inv, z2_inv: of the contrastive term; with MoCo the queries and their keys.
            z1_equi, z2_equi: of the equivariance term.
            args, kwargs: what else the contrastive term takes, such as ``queue`` of
                :class:`MomentumContrastLoss`.
        """
        contrastive = self.contrastive(z1_inv, z2_inv, *args, **kwargs)
        equivariance = self.equivariance(z1_equi, z2_equi)
        return CARETerms(contrastive + self.weight * equivariance, contrastive, equivariance)

    def extra_repr(self) -> str:
        """The weight, for ``print(loss)``."""
        return f"weight={self.weight}"
