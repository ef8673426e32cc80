"""Embeddings before and after transformations that all images share."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from equiform.augment import ImageAugmentation, fixed
from equiform.augment.images import P
from equiform.metrics import EstimatedMetric
from equiform.probes import extract_features
from images.encoder import ImageEncoder

EVALUATION_SEED = 2**31


class Moved(NamedTuple):
    """Embeddings before and after transformations, each shared by all images.

    Attributes:
        source: f(x), shape ``(n, d)``.
        target: f(a x) for each a, shape ``(k, n, d)``.
    """

    source: Tensor
    target: Tensor


def draw_transformations(
    augmentation: ImageAugmentation[P], number: int, *, seed: int = EVALUATION_SEED
) -> P:
    """Parameters of the transformations that encoders are compared on, the same each time."""
    return augmentation.sample(number, generator=torch.Generator().manual_seed(seed))


def embed_moved(
    encoder: ImageEncoder, images: Tensor, augmentation: ImageAugmentation[P], parameters: P
) -> Moved:
    """Embed images, and images transformed.

    Args:
        encoder: in eval mode, on the device of the images.
        images: uint8.
        augmentation: what the parameters are of.
        parameters: of the transformations; each is replayed on all images.
    """
    targets = [
        extract_features(encoder, images, fixed(augmentation, parameters[i]))
        for i in range(len(parameters))
    ]
    return Moved(extract_features(encoder, images, lambda batch: batch), torch.stack(targets))


def summarise(metric: EstimatedMetric, moved: Moved) -> dict[str, Any]:
    """What a metric gives of ``each`` transformation, their ``mean`` and the ``worst``.

    Beside them ``low`` and ``high``, the 95 % interval of the mean over images, and ``null``, what
    shuffled pairs give.
    """
    metric = metric.to(moved.source.device)
    each = [float(metric(moved.source, target)) for target in moved.target]
    mean, low, high, null = map(float, metric.estimate())
    return {
        "each": each,
        "mean": mean,
        "low": low,
        "high": high,
        "worst": max(each),
        "null": null,
    }
