"""Contrastive losses and the two parts that the CARE paper takes them apart into."""

from __future__ import annotations

from torch import Tensor, nn

from equiform import functional
from equiform.functional import SupportsSimilarity


class InfoNCELoss(nn.Module):
    """NT-Xent over the 2n views of a batch; see :func:`equiform.functional.info_nce`.

    Args:
        temperature: τ, positive.
        manifold: scores the pairs: inner products on the sphere (and by default), minus the
            geodesic distance on the hyperboloid.
        gather_distributed: run over the global batch of all ranks.
        backend: route of the op; ``"auto"`` chooses.

    Shape:
        ``(n, d), (n, d) -> ()``
    """

    def __init__(
        self,
        temperature: float = 0.5,
        *,
        manifold: SupportsSimilarity | None = None,
        gather_distributed: bool = False,
        backend: str = "auto",
    ) -> None:
        super().__init__()
        self.temperature = temperature
        self.manifold = manifold
        self.gather_distributed = gather_distributed
        self.backend = backend

    def forward(self, z1: Tensor, z2: Tensor) -> Tensor:
        """Loss of two views."""
        return functional.info_nce(
            z1,
            z2,
            self.temperature,
            manifold=self.manifold,
            gather_distributed=self.gather_distributed,
            backend=self.backend,
        )

    def extra_repr(self) -> str:
        """The temperature, for ``print(loss)``."""
        return f"temperature={self.temperature}"


class UniformityLoss(nn.Module):
    """Spreads the embeddings of each view; see :func:`equiform.functional.uniformity`.

    Args:
        temperature: τ, positive; 1 is the paper's.
        manifold: scores the pairs; inner products unless given.
        gather_distributed: run over the global batch of all ranks.
        backend: route of the op; ``"auto"`` chooses.

    Shape:
        ``(n, d), (n, d) -> ()``
    """

    def __init__(
        self,
        temperature: float = 1.0,
        *,
        manifold: SupportsSimilarity | None = None,
        gather_distributed: bool = False,
        backend: str = "auto",
    ) -> None:
        super().__init__()
        self.temperature = temperature
        self.manifold = manifold
        self.gather_distributed = gather_distributed
        self.backend = backend

    def forward(self, z1: Tensor, z2: Tensor) -> Tensor:
        """Loss of two views."""
        return functional.uniformity(
            z1,
            z2,
            self.temperature,
            manifold=self.manifold,
            gather_distributed=self.gather_distributed,
            backend=self.backend,
        )

    def extra_repr(self) -> str:
        """The temperature, for ``print(loss)``."""
        return f"temperature={self.temperature}"


class InvarianceLoss(nn.Module):
    """Pulls the two views of an input together; see :func:`equiform.functional.invariance`.

    Shape:
        ``(n, d), (n, d) -> ()``
    """

    def forward(self, z1: Tensor, z2: Tensor) -> Tensor:
        """Loss of two views."""
        return functional.invariance(z1, z2)
