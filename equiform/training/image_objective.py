"""The objectives of learning from images: SimCLR and MoCo, with CARE's term or without."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from equiform.augment import ImageAugmentation
from equiform.functional import invariance
from equiform.functional.spread import cosines
from equiform.losses import MomentumContrastLoss, PairwiseEquivarianceLoss
from equiform.manifolds import Hyperboloid, Sphere
from equiform.nn import EmbeddingQueue, MomentumEncoder
from equiform.ops.distributed import gather_uneven, world_size
from equiform.training.image_encoder import ImageEncoder
from equiform.training.processes import rank


class Equivariance(NamedTuple):
    """The equivariance term of CARE.

    Attributes:
        weight: λ, on the scale of `normalization`.
        num_chunks: of the batch of all processes; each has a pair of transformations of its own.
        normalization: of :class:`equiform.PairwiseEquivarianceLoss`.
        one_pair: draw one pair of transformations for the whole batch, as the released code does
            whatever the number of chunks; Algorithm 1 of the paper draws for each chunk.
    """

    weight: float
    num_chunks: int
    normalization: str = "pairs"
    one_pair: bool = False


class ImageObjective:
    r"""SimCLR or a part of it, and CARE's term: :math:`L = L_\text{contrastive} + λ L_\text{equi}`.

    All views go through the encoder at once. A batch norm that saw only images of one
    transformation would subtract what tells it from others; and DistributedDataParallel takes one
    pass a step.

    Under torchrun each process is given its share of the batch, all of one size. All draw the
    transformations of the whole batch from generators in one state and take their own, and a chunk
    lies on one process. Loss and gradients are then those of one process on the whole batch, but
    for batch norms that are not synchronised.

    Args:
        encoder: to train.
        augmentation: what views are drawn from.
        contrastive: of two views whose transformations differ image by image, such as
            :class:`equiform.InfoNCELoss`; none to leave it out.
        equivariance: of two views whose transformations are shared by chunks; none to leave it out.
        generator: source of transformations.
        network: the encoder as it is to be run, compiled or for several processes; itself unless
            given.
        autocast: dtype of the encoder, ``torch.bfloat16``; the losses are in float32 all the same.

    Attributes:
        module: all that has state.

    Raises:
        ValueError: there is neither term, or chunks do not divide among the processes.
    """

    def __init__(
        self,
        encoder: ImageEncoder,
        augmentation: ImageAugmentation,
        *,
        contrastive: nn.Module | None = None,
        equivariance: Equivariance | None = None,
        generator: torch.Generator | None = None,
        network: Callable[[Tensor], Tensor] | None = None,
        autocast: torch.dtype | None = None,
    ) -> None:
        if contrastive is None and equivariance is None:
            raise ValueError("ImageObjective needs contrastive or equivariance, got neither")
        self.module = nn.ModuleDict({"encoder": encoder})
        self.encoder = encoder
        self.augmentation = augmentation
        self.contrastive = contrastive
        self.equivariance = equivariance
        self.generator = generator
        self.network = encoder if network is None else network
        self.autocast = autocast
        if equivariance is not None:
            own_chunks, rest = divmod(equivariance.num_chunks, world_size())
            if rest or not own_chunks:
                raise ValueError(
                    f"num_chunks={equivariance.num_chunks} does not divide among {world_size()} "
                    f"processes; choose a multiple"
                )
            self.equivariance_loss = PairwiseEquivarianceLoss(
                manifold=encoder.manifold,
                num_chunks=own_chunks,
                normalization=equivariance.normalization,
            )

    def __call__(self, images: Tensor) -> dict[str, Tensor]:
        """Terms of a batch, of which ``loss`` is to be minimised.

        Args:
            images: ``(n, 3, h, w)``, uint8, or floating in [0, 1].
        """
        shared, views = self._shared_views(images), self._views(images)
        all_views = [*views, *shared]
        embeddings = self._encode(self.network, torch.cat(all_views)).chunk(len(all_views))
        z, z_shared = embeddings[: len(views)], embeddings[len(views) :]
        terms: dict[str, Tensor] = {}
        loss = embeddings[0].new_zeros(())
        if self.equivariance is not None:
            terms["equivariance"] = self.equivariance_loss(*z_shared)
            loss = loss + self.equivariance.weight * terms["equivariance"]
        if self.contrastive is None:
            z1, z2 = z_shared
        else:
            z1, z2, terms["contrastive"] = self._contrast(images, z)
            loss = loss + terms["contrastive"]
        return {"loss": loss, **terms, **describe_pairs(z1, z2, self.encoder.manifold)}

    def after_step(self) -> None:
        """What is to be done after each step of the optimizer: nothing."""

    def _views(self, images: Tensor) -> list[Tensor]:
        """Views by transformations that differ image by image."""
        if self.contrastive is None:
            return []
        return [self._view(images), self._view(images)]

    def _contrast(self, images: Tensor, z: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Embeddings of both views, and the contrastive loss."""
        assert self.contrastive is not None
        return z[0], z[1], self.contrastive(*z)

    def _shared_views(self, images: Tensor) -> list[Tensor]:
        if self.equivariance is None:
            return []
        shared_by = 1 if self.equivariance.one_pair else self.equivariance.num_chunks
        return [self._view(images, shared_by), self._view(images, shared_by)]

    def _view(self, images: Tensor, num_chunks: int | None = None) -> Tensor:
        """A view of the batch by one transformation a chunk, or an image."""
        n, whole = len(images), len(images) * world_size()
        num_chunks = whole if num_chunks is None else num_chunks
        if whole % num_chunks:
            raise ValueError(
                f"a batch of {whole} does not divide into num_chunks={num_chunks}; choose a divisor"
            )
        parameters = self.augmentation.sample(num_chunks, generator=self.generator)
        parameters = parameters.repeat(whole // num_chunks)[rank() * n : (rank() + 1) * n]
        return self.augmentation.apply(images, parameters.to(images.device))

    def _encode(self, network: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
        enabled = self.autocast is not None
        with torch.autocast(images.device.type, dtype=self.autocast, enabled=enabled):
            return network(images)


class MomentumObjective(ImageObjective):
    """MoCo-v2, with CARE's term or without; see :class:`ImageObjective`.

    Queries go through the encoder, with the views of the equivariance term; their keys go through
    its momentum copy and into a queue. Keys are not shuffled among processes, as batch norms that
    are not synchronised would ask for.

    Args:
        encoder, augmentation: of :class:`ImageObjective`.
        contrastive: the loss against the queue.
        momentum: of the copy, by step.
        queue_size: how many keys are kept.
        options: others of :class:`ImageObjective`.
    """

    contrastive: MomentumContrastLoss

    def __init__(
        self,
        encoder: ImageEncoder,
        augmentation: ImageAugmentation,
        *,
        contrastive: MomentumContrastLoss,
        momentum: float,
        queue_size: int,
        **options: Any,
    ) -> None:
        super().__init__(encoder, augmentation, contrastive=contrastive, **options)
        self.momentum_encoder = MomentumEncoder(encoder, momentum)
        self.queue = EmbeddingQueue(encoder.dim, queue_size)
        self.module.update({"momentum_encoder": self.momentum_encoder, "queue": self.queue})

    def _views(self, images: Tensor) -> list[Tensor]:
        return [self._view(images)]

    def _contrast(self, images: Tensor, z: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        (query,) = z
        key = self._encode(self.momentum_encoder, self._view(images))
        loss = self.contrastive(query, key, self.queue.embeddings())
        self.queue.enqueue(gather_uneven(key)[0])
        return query, key, loss

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
def describe_pairs(z1: Tensor, z2: Tensor, manifold: Sphere | Hyperboloid) -> dict[str, Tensor]:
    """How far apart positive pairs are, ``(n, d), (n, d)``.

    Returns:
        On the sphere what the paper plots, ``invariance`` (L_inv) and the mean
        ``positive_cosine``; on the hyperboloid the mean geodesic ``distance``.
    """
    if isinstance(manifold, Hyperboloid):
        return {"distance": manifold.dist(z1, z2).mean()}
    return {"invariance": invariance(z1, z2), "positive_cosine": cosines(z1, z2).mean()}
