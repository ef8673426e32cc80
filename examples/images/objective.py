"""The objectives of learning from images: views of a batch, their embeddings, a loss of these."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from equiform import CARELoss
from equiform.functional import invariance
from equiform.functional.spread import cosines
from equiform.manifolds import EmbeddingManifold
from equiform.nn import EmbeddingQueue, MomentumEncoder
from equiform.ops.distributed import gather_uneven
from images.encoder import ImageEncoder, is_euclidean

Views = Callable[[Tensor], Sequence[Tensor]]
#: Of the embeddings of views: terms by name, of which ``loss`` is to be minimised.
Terms = Callable[..., dict[str, Tensor]]
Network = Callable[[Tensor], Tensor]


def care_terms(loss: CARELoss) -> Terms:
    """Terms of the four views of :func:`equiform.augment.care_views`."""

    def terms(*z: Tensor, **more: Tensor) -> dict[str, Tensor]:
        total, contrastive, equivariance = loss(*z, **more)
        return {"loss": total, "contrastive": contrastive, "equivariance": equivariance}

    return terms


def one_term(name: str, loss: nn.Module, weight: float = 1.0) -> Terms:
    """One of the terms of CARE without the other, of the two views of its own."""

    def terms(z1: Tensor, z2: Tensor, **more: Tensor) -> dict[str, Tensor]:
        value = loss(z1, z2, **more)
        return {"loss": weight * value, name: value}

    return terms


class ImageObjective:
    """Draws views of a batch of images, embeds them, and asks a loss for its terms.

    All views go through the encoder at once. A batch norm that saw only images of one
    transformation would subtract what tells it from others; and DistributedDataParallel takes one
    pass a step.

    Args:
        encoder: to train.
        views: draws them from a batch, such as :func:`equiform.augment.care_views` does.
        terms: of the embeddings of the views, in their order.
        network: the encoder as it is to be run, compiled or for several processes; itself unless
            given.
        autocast: dtype of the encoder, ``torch.bfloat16``; the losses are in float32 all the same.

    Attributes:
        module: all that has state.
    """

    def __init__(
        self,
        encoder: ImageEncoder,
        views: Views,
        terms: Terms,
        *,
        network: Network | None = None,
        autocast: torch.dtype | None = None,
    ) -> None:
        self.module = nn.ModuleDict({"encoder": encoder})
        self.encoder = encoder
        self.views = views
        self.terms = terms
        self.network = encoder if network is None else network
        self.autocast = autocast

    def __call__(self, images: Tensor) -> dict[str, Tensor]:
        """Terms of a batch, of which ``loss`` is to be minimised, and how far pairs are apart.

        Args:
            images: ``(n, 3, h, w)``, uint8, or floating in [0, 1].
        """
        z = self._embed(self.views(images))
        return {**self._terms(z), **describe_pairs(z[0], z[1], self.encoder.manifold)}

    def after_step(self) -> None:
        """What is to be done after each step of the optimizer: nothing."""

    def _embed(self, views: Sequence[Tensor]) -> Sequence[Tensor]:
        return self._run(self.network, torch.cat(list(views))).chunk(len(views))

    def _terms(self, z: Sequence[Tensor]) -> dict[str, Tensor]:
        return self.terms(*z)

    def _run(self, network: Network, images: Tensor) -> Tensor:
        enabled = self.autocast is not None
        with torch.autocast(images.device.type, dtype=self.autocast, enabled=enabled):
            return network(images)


class MomentumObjective(ImageObjective):
    """MoCo-v2, with CARE's term or without; see :class:`ImageObjective`.

    The second view is that of the keys: it goes through the momentum copy of the encoder and into
    a queue, and the terms are asked with ``queue=``, the keys of earlier batches. Keys are not
    shuffled among processes, as batch norms that are not synchronised would ask for.

    Args:
        encoder, views, terms: of :class:`ImageObjective`.
        momentum: of the copy, by step.
        queue_size: how many keys are kept.
        options: others of :class:`ImageObjective`.
    """

    def __init__(
        self,
        encoder: ImageEncoder,
        views: Views,
        terms: Terms,
        *,
        momentum: float,
        queue_size: int,
        **options: Any,
    ) -> None:
        super().__init__(encoder, views, terms, **options)
        self.momentum_encoder = MomentumEncoder(encoder, momentum)
        self.queue = EmbeddingQueue(encoder.dim, queue_size)
        self.module.update({"momentum_encoder": self.momentum_encoder, "queue": self.queue})

    def _embed(self, views: Sequence[Tensor]) -> Sequence[Tensor]:
        query, key, *shared = views
        query, *shared = super()._embed([query, *shared])
        return [query, self._run(self.momentum_encoder, key), *shared]

    def _terms(self, z: Sequence[Tensor]) -> dict[str, Tensor]:
        terms = self.terms(*z, queue=self.queue.embeddings())
        self.queue.enqueue(gather_uneven(z[1])[0])
        return terms

    def after_step(self) -> None:
        """Move the momentum copy towards the encoder."""
        self.momentum_encoder.update(self.encoder)


class SumOfLosses(nn.ModuleList):
    """The sum of losses of two views.

    Args:
        modules: the losses, one or more.

    Shape:
        ``(n, d), (n, d) -> ()``
    """

    def forward(self, z1: Tensor, z2: Tensor) -> Tensor:
        """Loss of two views."""
        return torch.stack([loss(z1, z2) for loss in self]).sum()


@torch.no_grad()
def describe_pairs(z1: Tensor, z2: Tensor, manifold: EmbeddingManifold) -> dict[str, Tensor]:
    """How far apart positive pairs are, ``(n, d), (n, d)``.

    Returns:
        The mean geodesic ``distance``; and of Euclidean embeddings what the paper plots,
        ``invariance`` (L_inv) and the mean ``positive_cosine``.
    """
    described = {"distance": manifold.dist(z1, z2).mean()}
    if is_euclidean(manifold):
        described["invariance"] = invariance(z1, z2)
        described["positive_cosine"] = cosines(z1, z2).mean()
    return described
