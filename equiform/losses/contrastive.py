"""Contrastive losses and the two parts that the CARE paper takes them apart into."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

from torch import Tensor, nn

from equiform import functional
from equiform._options import check_choice, check_flag, check_number
from equiform.functional._arguments import SupportsDistance, SupportsSimilarity, check_manifold
from equiform.ops.info_nce import Backend


class _LossOfSimilarity(nn.Module):
    """What the losses that score pairs have in common; a subclass has the function."""

    _loss: Callable[..., Tensor]

    def __init__(
        self,
        temperature: float = 0.5,
        *,
        manifold: SupportsSimilarity | None = None,
        gather_distributed: bool = False,
        backend: Backend = "auto",
    ) -> None:
        super().__init__()
        self.temperature = check_number("temperature", temperature, positive=True)
        check_manifold(manifold, "similarity")
        self.gather_distributed = check_flag("gather_distributed", gather_distributed)
        check_choice("backend", backend, get_args(Backend))
        self.manifold = manifold
        self.backend: Backend = backend

    def forward(self, z1: Tensor, z2: Tensor) -> Tensor:
        """Loss of two views."""
        return self._loss(
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


class InfoNCELoss(_LossOfSimilarity):
    """NT-Xent over the 2n views of a batch, ``(n, d), (n, d) -> ()``.

    Arguments as in :func:`equiform.functional.info_nce`, checked here: pairs are scored by inner
    products on the sphere (and by default), by minus the geodesic distance on the hyperboloid.
    """

    _loss = staticmethod(functional.info_nce)


class UniformityLoss(_LossOfSimilarity):
    """Spreads the embeddings of each view, ``(n, d), (n, d) -> ()``.

    Arguments as in :func:`equiform.functional.uniformity`; the paper's temperature is 1.
    """

    _loss = staticmethod(functional.uniformity)

    def __init__(
        self,
        temperature: float = 1.0,
        *,
        manifold: SupportsSimilarity | None = None,
        gather_distributed: bool = False,
        backend: Backend = "auto",
    ) -> None:
        super().__init__(
            temperature, manifold=manifold, gather_distributed=gather_distributed, backend=backend
        )


class MomentumContrastLoss(_LossOfSimilarity):
    """InfoNCE against a queue, ``(n, d), (n, d), (m, d) -> ()``.

    Arguments as in :func:`equiform.functional.momentum_contrast`; MoCo-v2's temperature is 0.2.
    """

    def __init__(
        self, temperature: float = 0.2, *, manifold: SupportsSimilarity | None = None
    ) -> None:
        super().__init__(temperature, manifold=manifold)

    def forward(self, query: Tensor, key: Tensor, queue: Tensor) -> Tensor:  # pyright: ignore
        """Loss of queries and their keys against the embeddings of a queue."""
        return functional.momentum_contrast(
            query, key, queue, self.temperature, manifold=self.manifold
        )


class InvarianceLoss(nn.Module):
    """Pulls the two views of an input together; see :func:`equiform.functional.invariance`."""

    def __init__(self, *, manifold: SupportsDistance | None = None) -> None:
        super().__init__()
        check_manifold(manifold, "dist")
        self.manifold = manifold

    def forward(self, z1: Tensor, z2: Tensor) -> Tensor:
        """Loss of two views."""
        return functional.invariance(z1, z2, manifold=self.manifold)
