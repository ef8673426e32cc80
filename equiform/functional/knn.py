"""Nearest neighbours by cosine: retrieval, and classification by their votes."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from equiform._options import check_count, check_number
from equiform._points import at_least, check_one_device, check_points, real_dtype
from equiform._precision import full_precision
from equiform.functional._labels import check_labels
from equiform.functional._scale import unit_rows

#: Similarities held at a time, which bounds the memory whatever the number of queries.
_MAX_ENTRIES = 2**24


class Neighbours(NamedTuple):
    """The rows of a gallery that are closest to each query, closest first.

    Attributes:
        similarity: cosines, shape ``(n, k)``.
        index: rows of the gallery, int64, shape ``(n, k)``.
    """

    similarity: Tensor
    index: Tensor  # pyright: ignore[reportIncompatibleMethodOverride]


def nearest_neighbours(query: Tensor, gallery: Tensor, k: int) -> Neighbours:
    """The k embeddings of a gallery with the largest cosine to each query.

    In float32 or better, in chunks of queries. Not differentiable.

    Args:
        query: real, shape ``(n, d)``; an embedding of zeros has cosine 0 with all others.
        gallery: real, shape ``(m, d)``.
        k: how many, at most m.
    """
    check_points("(n, d)", real=True, finite=True, query=query)
    check_points("(n, d)", real=True, finite=True, gallery=gallery)
    check_one_device(query=query, gallery=gallery)
    return _nearest(query, gallery, k)


@full_precision
@torch.no_grad()
def _nearest(query: Tensor, gallery: Tensor, k: int) -> Neighbours:
    if query.shape[1] != gallery.shape[1]:
        raise ValueError(
            f"nearest neighbours need query (n, d) and gallery (m, d), "
            f"got {tuple(query.shape)} and {tuple(gallery.shape)}"
        )
    check_k(k, gallery)
    query, gallery = at_least(torch.float32, query, gallery)
    gallery = unit_rows(gallery).mT
    rows = query.split(max(1, _MAX_ENTRIES // gallery.shape[1]))
    chunks = [(unit_rows(x) @ gallery).topk(k) for x in rows]
    return Neighbours(*map(torch.cat, zip(*chunks, strict=True)))


def knn_accuracy(
    features: Tensor,
    labels: Tensor,
    test_features: Tensor,
    test_labels: Tensor,
    k: int = 200,
    temperature: float = 0.1,
) -> Tensor:
    r"""Top-1 accuracy of weighted k-nearest-neighbour classification by cosine.

    A neighbour of cosine s votes for its label with weight :math:`e^{s/τ}`.

    Args:
        features: embeddings of known label, shape ``(m, d)``.
        labels: their classes, int64 from 0, shape ``(m,)``.
        test_features: embeddings to classify, shape ``(n, d)``.
        test_labels: their classes, shape ``(n,)``.
        k: how many neighbours vote, at most m; 200 and 20 are usual.
        temperature: τ, positive.

    Source: Wu et al., "Unsupervised Feature Learning via Non-Parametric Instance Discrimination",
    CVPR 2018, 3.4, with τ = 0.07.
    """
    hits = knn_hits(features, labels, test_features, test_labels, k, temperature, "test_")
    return hits.to(real_dtype(features, test_features)).mean()


def check_k(k: int, gallery: Tensor) -> None:
    """Raise unless k is a number of neighbours that a gallery has."""
    check_count("k", k)
    if k > len(gallery):
        raise ValueError(
            f"k must be between 1 and the {len(gallery)} embeddings of the gallery, got {k}"
        )


def knn_hits(
    features: Tensor,
    labels: Tensor,
    asked: Tensor,
    truth: Tensor,
    k: int,
    temperature: float,
    part: str = "",
) -> Tensor:
    """Whether each test embedding is classified right, ``(n,)``; see :func:`knn_accuracy`.

    Errors name what is asked after its part of the data, as :func:`check_labels` does.
    """
    check_number("temperature", temperature, positive=True)
    check_labels("kNN", features, labels)
    check_labels("kNN", asked, truth, part)
    similarity, index = _nearest(asked, features, k)
    # Against the closest, whose weight is then 1: the exponentials of a small τ do not overflow.
    # In float64, so that on a GPU the order of the sums, which varies, as good as never decides.
    weight = ((similarity.double() - similarity[:, :1]) / temperature).exp()
    # By place among the classes that there are: labels may be any numbers.
    classes, place = labels.unique(return_inverse=True)
    votes = weight.new_zeros(len(index), len(classes))
    return classes[votes.scatter_add_(1, place[index], weight).argmax(1)] == truth
