"""An encoder of images: what a contrastive loss trains, and what a probe reads of it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from equiform import EuclideanForm
from equiform.augment import unit_interval
from equiform.manifolds import EmbeddingManifold, Sphere
from equiform.nn import ProjectionHead, ResNet


def is_euclidean(manifold: EmbeddingManifold) -> bool:
    """Whether distances and cosines are of the coordinates, as in the paper."""
    return manifold.form == EuclideanForm()


class ImageEncoder(nn.Module):
    """Images to points of a manifold: a backbone, a projection head, and the projection.

    It takes images as they are stored or augmented and normalises them itself, so that whoever
    loads it need know nothing of its data.

    Args:
        backbone: images to features ``(n, out_features)``.
        widths: hidden widths of the projection head, and the dimension of its output.
        manifold: where the embeddings lie.
        mean, std: of each channel, white being 1.
        memory_format: of the images in the backbone; ``torch.channels_last`` is the faster one on
            most machines.

    Attributes:
        dim: coordinates of an embedding.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        backbone: ResNet,
        widths: Sequence[int],
        *,
        manifold: EmbeddingManifold | None = None,
        mean: Sequence[float] = (0.5, 0.5, 0.5),
        std: Sequence[float] = (0.25, 0.25, 0.25),
        memory_format: torch.memory_format = torch.channels_last,
    ) -> None:
        super().__init__()
        self.backbone = backbone.to(memory_format=memory_format)  # pyright: ignore[reportCallIssue]
        self.head = ProjectionHead(backbone.out_features, *widths)
        self.manifold = Sphere() if manifold is None else manifold
        self.memory_format = memory_format
        self.dim = self.manifold.ambient_dim(widths[-1])
        self.register_buffer("mean", torch.tensor(mean)[:, None, None])
        self.register_buffer("std", torch.tensor(std)[:, None, None])

    def prepare(self, images: Tensor) -> Tensor:
        """What the backbone takes, of images ``(n, 3, h, w)``, uint8 or floating in [0, 1]."""
        images = (unit_interval(images) - self.mean) / self.std
        return images.contiguous(memory_format=self.memory_format)

    def features(self, images: Tensor) -> Tensor:
        """Features for probes, ``(n, 3, h, w) -> (n, out_features)``."""
        return self.backbone(self.prepare(images))

    def forward(self, images: Tensor) -> Tensor:
        """Embeddings for losses, ``(n, 3, h, w) -> (n, dim)``, on the manifold."""
        return self.manifold.project(self.head(self.features(images)))
