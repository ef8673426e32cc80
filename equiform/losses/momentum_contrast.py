"""The loss of MoCo."""

from __future__ import annotations

from torch import Tensor, nn

from equiform import functional
from equiform.functional import SupportsSimilarity


class MomentumContrastLoss(nn.Module):
    """InfoNCE against a queue; see :func:`equiform.functional.momentum_contrast`.

    Args:
        temperature: τ, positive; 0.2 is that of MoCo-v2.
        manifold: scores the pairs: inner products on the sphere (and by default), minus the
            geodesic distance on the hyperboloid.

    Shape:
        ``(n, d), (n, d), (m, d) -> ()``
    """

    def __init__(
        self, temperature: float = 0.2, *, manifold: SupportsSimilarity | None = None
    ) -> None:
        super().__init__()
        self.temperature = temperature
        self.manifold = manifold

    def forward(self, query: Tensor, key: Tensor, queue: Tensor) -> Tensor:
        """Loss of queries and their keys against the embeddings of a queue."""
        return functional.momentum_contrast(
            query, key, queue, self.temperature, manifold=self.manifold
        )

    def extra_repr(self) -> str:
        """The temperature, for ``print(loss)``."""
        return f"temperature={self.temperature}"
