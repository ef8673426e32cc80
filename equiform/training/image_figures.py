"""What the image figures of CARE measure of a trained encoder."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from equiform.augment import ImageAugmentation, fixed
from equiform.augment.images import P
from equiform.forms import EuclideanForm
from equiform.functional import cosine_spread, effective_rank, nearest_neighbours, wahba_error
from equiform.functional.spread import cosines
from equiform.groups import SpecialOrthogonal
from equiform.metrics import CosineSpread, EstimatedMetric, WahbaError
from equiform.steering import steer
from equiform.training.classify import extract_features
from equiform.training.image_encoder import ImageEncoder
from equiform.training.image_evaluation import EVALUATION_SEED

BINS = 40  # of a histogram of cosines, from -1 to 1
TOP = 5  # neighbours that are looked at
SHOWN = 6  # queries of which they are named


class Moved(NamedTuple):
    """Embeddings before and after transformations, each shared by all images.

    Attributes:
        source: f(x), shape ``(n, d)``.
        target: f(a x) for each a, shape ``(k, n, d)``.
    """

    source: Tensor
    target: Tensor


def embed_moved(
    encoder: ImageEncoder, images: Tensor, augmentation: ImageAugmentation[P], parameters: P
) -> Moved:
    """Embed images, and images transformed.

    Args:
        encoder: in eval mode, on the device of the images.
        images: uint8.
        augmentation: what the parameters are of.
        parameters: of the transformations, such as :func:`draw_transformations` gives.
    """
    targets = [
        extract_features(encoder, images, fixed(augmentation, parameters[i]))
        for i in range(len(parameters))
    ]
    return Moved(extract_features(encoder, images, lambda batch: batch), torch.stack(targets))


def wahba_distribution(moved: Moved) -> dict[str, Any]:
    """W_f of each transformation, fitted on every other image and measured on the rest.

    Returns:
        For ``O(d)``, the group of the theory, and for ``SO(d)``, that of the paper: ``each``, their
        ``mean`` (``low`` and ``high``: its 95 % interval over images) and ``worst``, and ``null``,
        what shuffled pairs give. And ``effective_rank``: a collapsed encoder has no error either.
    """
    source, target = moved.source.expand_as(moved.target), moved.target
    held_out = source[:, 1::2], target[:, 1::2]
    dim = source.shape[-1]
    groups = {"O(d)": EuclideanForm().isometry_group(dim), "SO(d)": SpecialOrthogonal(dim)}
    scores: dict[str, Any] = {"effective_rank": effective_rank(moved.source).item()}
    for name, group in groups.items():
        each = wahba_error(source[:, ::2], target[:, ::2], group, held_out=held_out)
        scores[name] = _summary(moved, each, WahbaError(group))
    return scores


def cosine_distribution(moved: Moved) -> dict[str, Any]:
    """Histogram and variance over images of the cosine of f(x) and f(a x), for each a.

    Returns:
        ``counts``, a histogram for each transformation, ``each`` variance and what
        :func:`wahba_distribution` gives of them, and ``effective_rank``: at 1 the encoder has
        collapsed, and has no variance either.
    """
    source = moved.source.expand_as(moved.target)
    each = cosine_spread(source, moved.target)
    return {
        "counts": [histogram(c) for c in cosines(source, moved.target)],
        "effective_rank": effective_rank(moved.source).item(),
        **_summary(moved, each, CosineSpread()),
    }


def positive_cosines(
    encoder: ImageEncoder, images: Tensor, augmentation: ImageAugmentation
) -> dict[str, Any]:
    """Cosines of positive pairs, f(a x) and f(a' x) with a and a' drawn for each image.

    Returns:
        Their ``mean``, ``std`` and ``counts``, a histogram.
    """
    generator = torch.Generator().manual_seed(EVALUATION_SEED)
    z1, z2 = (
        extract_features(encoder, images, lambda x: augmentation(x, generator=generator))
        for _ in range(2)
    )
    c = cosines(z1, z2)
    return {
        "mean": c.mean().item(),
        "std": c.std(correction=0).item(),
        "counts": histogram(c),
    }


def histogram(cosine: Tensor) -> list[int]:
    """How many cosines lie in each of the equal bins from -1 to 1."""
    # Rounding may leave [-1, 1], and histc drops what does.
    counts = torch.histc(cosine.clamp(-1, 1).cpu(), bins=BINS, min=-1, max=1)
    return [int(count) for count in counts]


def retrieve(reference: Moved, moved: Moved, labels: Tensor) -> dict[str, Any]:
    """Look for every image as it looks after each transformation, without transforming it.

    The gallery holds all images under all transformations. It is asked with f(x) steered by T, the
    orthogonal matrix fitted to the transformation (``steered``); with f(x) itself (``unsteered``),
    which asks the same for every transformation; and with f(a x) (``transformed``), the ceiling.

    Args:
        reference: other images, under the same transformations, that T is fitted to.
        moved: the images to look for.
        labels: their classes.

    Returns:
        For each way ``recall_at_1`` and ``recall_at_5``: how often the image under that very
        transformation is found first, or among five. And of the five closest of *other* images
        the share under the same transformation, ``same_transformation_at_5``, and of the same
        class, ``same_class_at_5``. Beside, ``neighbours``: for the first images, each under one
        transformation, the closest to the steered query as pairs of transformation and image.
    """
    group = EuclideanForm().isometry_group(moved.source.shape[-1])
    fitted = group.recover(reference.source.expand_as(reference.target), reference.target)
    queries = {
        "steered": steer(moved.source, fitted.matrix),
        "unsteered": moved.source.expand_as(moved.target),
        "transformed": moved.target,
    }
    found = {way: _neighbours(query, moved.target) for way, query in queries.items()}
    scores = {way: _retrieval_scores(index, labels) for way, index in found.items()}
    k, n, _ = moved.target.shape
    shown = torch.arange(min(SHOWN, n))
    index = found["steered"].cpu()[shown % k, shown, :TOP]
    return scores | {"neighbours": torch.stack([index // n, index % n], dim=-1).tolist()}


def _neighbours(queries: Tensor, gallery: Tensor) -> Tensor:
    """Positions in the gallery, closest first, ``(k, n, TOP + k)`` where there are as many."""
    k, n, _ = gallery.shape
    # An image has k pictures in the gallery; so at least TOP are of others.
    number = min(TOP + k, k * n)
    return nearest_neighbours(queries.flatten(0, 1), gallery.flatten(0, 1), number).index.unflatten(
        0, (k, n)
    )


def _retrieval_scores(index: Tensor, labels: Tensor) -> dict[str, float]:
    k, n, _ = index.shape
    image, transformation = index % n, index // n
    own = image == torch.arange(n, device=index.device)[:, None]
    same = transformation == torch.arange(k, device=index.device)[:, None, None]
    right = own & same
    others = own.byte().argsort(dim=-1, stable=True)[..., :TOP]
    of_class = labels[image] == labels[:, None]

    def share(hits: Tensor) -> float:
        return hits.double().mean().item()

    return {
        "recall_at_1": share(right[..., 0]),
        "recall_at_5": share(right[..., :TOP].any(-1)),
        "same_transformation_at_5": share(same.gather(-1, others)),
        "same_class_at_5": share(of_class.gather(-1, others)),
    }


def _summary(moved: Moved, each: Tensor, metric: EstimatedMetric) -> dict[str, Any]:
    metric = metric.to(moved.source.device)
    for target in moved.target:
        metric.update(moved.source, target)
    estimate = metric.estimate()
    return {
        "each": each.tolist(),
        "mean": each.mean().item(),
        "low": float(estimate.low),
        "high": float(estimate.high),
        "worst": each.max().item(),
        "null": float(estimate.null),
    }
