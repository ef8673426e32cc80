"""What a frozen encoder of images has learned: classes, and how it moves with its input."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from equiform.data import ImageSet
from equiform.functional import knn_accuracy
from equiform.manifolds import EmbeddingManifold
from equiform.metrics import EstimatedMetric, equivariance_metrics
from equiform.probes import extract_features, linear_probe
from images.encoder import ImageEncoder
from images.moved import Moved, summarise
from images.objective import describe_pairs

PROBE_SEEDS = (0, 1, 2)
KNN = 200  # neighbours, of which there may be fewer


def knn_score(encoder: ImageEncoder, gallery: ImageSet, queries: ImageSet) -> float:
    """Top-1 accuracy of kNN on features, in [0, 1].

    Args:
        encoder: in eval mode, on the device of the images.
        gallery: labelled images.
        queries: those to classify.
    """
    known, asked = (_features(encoder, part) for part in (gallery, queries))
    return _knn(known, gallery.labels, asked, queries.labels)


def probe_score(
    encoder: ImageEncoder,
    train: ImageSet,
    test: ImageSet,
    *,
    seeds: Sequence[int] = PROBE_SEEDS,
    **options: Any,
) -> dict[str, Any]:
    """Linear probe and kNN of features of images that are not augmented.

    Args:
        encoder: in eval mode, on the device of the images.
        train: to fit on.
        test: to score on.
        seeds: of the probe, one each.
        options: of :func:`equiform.probes.linear_probe`.

    Returns:
        ``probe_top1``, the mean over seeds, ``probe_top1_std`` (over n - 1; 0 for one seed),
        ``probe_top1_each`` and ``knn``.
    """
    known, asked = (_features(encoder, part) for part in (train, test))
    data = known, train.labels, asked, test.labels
    scores = [linear_probe(*data, seed=seed, **options).top1 for seed in seeds]
    return {
        "probe_top1": statistics.fmean(scores),
        "probe_top1_std": statistics.stdev(scores) if len(scores) > 1 else 0.0,
        "probe_top1_each": scores,
        "knn": _knn(*data),
    }


def equivariance_scores(moved: Moved, manifold: EmbeddingManifold) -> dict[str, Any]:
    """How embeddings move when all images are transformed alike.

    Args:
        moved: embeddings of images that the encoder was not trained on.
        manifold: where they lie.

    Returns:
        Those of :func:`equiform.metrics.equivariance_metrics`, each W_f with ``_each``, ``_worst``,
        ``_low``, ``_high`` and ``_null``, as ``summarise`` gives them; and the mean of
        ``describe_pairs`` over the transformations.
    """
    scores: dict[str, Any] = {}
    dim = moved.source.shape[-1]
    for name, metric in equivariance_metrics(dim, manifold=manifold).items():
        if isinstance(metric, EstimatedMetric):
            summary = summarise(metric, moved)
            scores[name] = summary.pop("mean")
            scores |= {f"{name}_{key}": value for key, value in summary.items()}
            continue
        metric.to(moved.source.device)
        for target in moved.target:
            metric.update(moved.source, target)
        scores[name] = float(metric.compute())
    described = [describe_pairs(moved.source, target, manifold) for target in moved.target]
    for name in described[0]:
        scores[name] = torch.stack([values[name] for values in described]).mean().item()
    return scores


def _features(encoder: ImageEncoder, part: ImageSet) -> Tensor:
    return extract_features(encoder.backbone, part.images, encoder.prepare)


def _knn(known: Tensor, labels: Tensor, asked: Tensor, asked_labels: Tensor) -> float:
    return knn_accuracy(known, labels, asked, asked_labels, min(KNN, len(known))).item()
