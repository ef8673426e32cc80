"""What the image figures of CARE measure of a trained encoder."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from equiform import EuclideanForm, SpecialOrthogonal, steer
from equiform.augment import ImageAugmentation
from equiform.functional import effective_rank, nearest_neighbours
from equiform.functional.spread import cosines
from equiform.metrics import CosineSpread, WahbaError
from equiform.probes import extract_features
from images.encoder import ImageEncoder
from images.moved import EVALUATION_SEED, Moved, summarise

BINS = 40  # of a histogram of cosines, from -1 to 1
TOP = 5  # neighbours that are looked at
SHOWN = 6  # queries of which they are named


def wahba_distribution(moved: Moved) -> dict[str, Any]:
    """W_f of each transformation, fitted on every other image and measured on the rest.

    Returns:
        ``summarise`` for ``O(d)``, the group of the theory, and for ``SO(d)``, that of the paper.
        And ``effective_rank``: a collapsed encoder has no error either.
    """
    dim = moved.source.shape[-1]
    groups = {"O(d)": EuclideanForm().isometry_group(dim), "SO(d)": SpecialOrthogonal(dim)}
    summaries = {name: summarise(WahbaError(group), moved) for name, group in groups.items()}
    return {"effective_rank": effective_rank(moved.source).item(), **summaries}


def cosine_distribution(moved: Moved) -> dict[str, Any]:
    """Histogram and variance over images of the cosine of f(x) and f(a x), for each a.

    Returns:
        ``counts``, a histogram for each transformation, ``summarise`` of the variances, and
        ``effective_rank``: at 1 the encoder has collapsed, and has no variance either.
    """
    turned = cosines(moved.source.expand_as(moved.target), moved.target)
    return {
        "counts": [histogram(c) for c in turned],
        "effective_rank": effective_rank(moved.source).item(),
        **summarise(CosineSpread(), moved),
    }


def positive_cosines(
    encoder: ImageEncoder, images: Tensor, augmentation: ImageAugmentation[Any]
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
        "steered": steer(moved.source[None], fitted.matrix),
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
