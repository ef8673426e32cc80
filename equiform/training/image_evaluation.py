"""What a frozen encoder of images has learned: classes, and how it moves with its input."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torchmetrics import MetricCollection

from equiform.augment import ImageAugmentation, fixed
from equiform.augment.images import P
from equiform.data import ImageSet
from equiform.forms import MinkowskiForm
from equiform.functional import knn_accuracy, wahba_error
from equiform.groups import Orthochronous
from equiform.manifolds import Hyperboloid
from equiform.metrics import (
    EffectiveRank,
    EstimatedMetric,
    RelativeEquivariance,
    Uniformity,
    WahbaError,
    equivariance_metrics,
)
from equiform.training.classify import extract_features, linear_probe
from equiform.training.image_encoder import ImageEncoder
from equiform.training.image_objective import describe_pairs

EVALUATION_SEED = 2**31
PROBE_SEEDS = (0, 1, 2)
KNN = 200  # neighbours, of which there may be fewer


def knn_score(encoder: ImageEncoder, gallery: ImageSet, queries: ImageSet) -> float:
    """Top-1 accuracy of kNN on features, in [0, 1].

    Args:
        encoder: in eval mode, on the device of the images.
        gallery: labelled images.
        queries: those to classify.
    """
    known, asked = (
        extract_features(encoder.backbone, part.images, encoder.prepare)
        for part in (gallery, queries)
    )
    k = min(KNN, len(gallery))
    return knn_accuracy(known, gallery.labels, asked, queries.labels, k).item()


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
        options: of :func:`equiform.training.linear_probe`.

    Returns:
        ``probe_top1``, the mean over seeds, ``probe_top1_std`` (over n - 1; 0 for one seed),
        ``probe_top1_each`` and ``knn``.
    """
    features, test_features = (
        extract_features(encoder.backbone, part.images, encoder.prepare) for part in (train, test)
    )
    scores = [
        linear_probe(
            features,
            train.labels,
            test_features,
            test.labels,
            seed=seed,
            **options,
        ).top1
        for seed in seeds
    ]
    k = min(KNN, len(train))
    return {
        "probe_top1": statistics.fmean(scores),
        "probe_top1_std": statistics.stdev(scores) if len(scores) > 1 else 0.0,
        "probe_top1_each": scores,
        "knn": knn_accuracy(features, train.labels, test_features, test.labels, k).item(),
    }


def draw_transformations(augmentation: ImageAugmentation[P], number: int) -> P:
    """Parameters of the transformations that encoders are compared on, the same each time."""
    generator = torch.Generator().manual_seed(EVALUATION_SEED)
    return augmentation.sample(number, generator=generator)


def equivariance_scores(
    encoder: ImageEncoder, images: Tensor, augmentation: ImageAugmentation, parameters: Any
) -> dict[str, Any]:
    """How embeddings move when all images are transformed alike.

    Args:
        encoder: in eval mode, on the device of the images.
        images: uint8, that it was not trained on.
        augmentation: what the parameters are of.
        parameters: of the transformations; each is replayed on all images.

    Returns:
        Those of :func:`equiform.metrics.equivariance_metrics` (on the hyperboloid of its own group
        and form, W_f in geodesic distance), each W_f with ``_low``, ``_high`` (95 %, over images)
        and ``_null``, what shuffled pairs give; ``wahba_each`` and ``wahba_worst`` over the
        transformations; the mean of ``describe_pairs`` over them.
    """
    source = extract_features(encoder, images, lambda batch: batch)
    metrics = _panel(encoder).to(source.device)
    each: list[float] = []
    described: list[dict[str, Tensor]] = []
    fitted = metrics["wahba"]
    assert isinstance(fitted, WahbaError)
    for i in range(len(parameters)):
        target = extract_features(encoder, images, fixed(augmentation, parameters[i]))
        metrics.update(source, target)
        error = wahba_error(
            source[::2],
            target[::2],
            fitted.group,
            held_out=(source[1::2], target[1::2]),
            manifold=fitted.manifold,
        )
        each.append(error.item())
        described.append(describe_pairs(source, target, encoder.manifold))
    scores: dict[str, Any] = {name: float(value) for name, value in metrics.compute().items()}
    for name, metric in metrics.items():
        if isinstance(metric, EstimatedMetric):
            estimate = metric.estimate()
            scores |= {
                f"{name}_low": float(estimate.low),
                f"{name}_high": float(estimate.high),
                f"{name}_null": float(estimate.null),
            }
    for name in described[0]:
        scores[name] = torch.stack([values[name] for values in described]).mean().item()
    return scores | {"wahba_each": each, "wahba_worst": max(each)}


def _panel(encoder: ImageEncoder) -> MetricCollection:
    manifold = encoder.manifold
    if not isinstance(manifold, Hyperboloid):
        return equivariance_metrics(encoder.dim)
    return MetricCollection(
        {
            "wahba": WahbaError(Orthochronous(encoder.dim), manifold=manifold),
            "gamma_b": RelativeEquivariance(MinkowskiForm()),
            "effective_rank": EffectiveRank(),
            "uniformity": Uniformity(manifold=manifold),
        },
        compute_groups=False,
    )
