"""Stateless losses and measures: one pure function a term.

Every loss leaves autocast and computes in float32 or better: half-precision embeddings are upcast
first. None of them normalises: project embeddings to a manifold before, where you want it.

Measures answer in the real dtype of their embeddings, at least float32, and the class of one name
in :mod:`equiform.metrics` gives the same number on the same arguments.
"""

from equiform.functional._arguments import SupportsDistance, SupportsSimilarity
from equiform.functional.bootstrap import Estimate
from equiform.functional.contrastive import (
    InfoNCETerms,
    info_nce,
    info_nce_terms,
    invariance,
    uniformity,
)
from equiform.functional.equivariance import pairwise_equivariance
from equiform.functional.knn import Neighbours, knn_accuracy, nearest_neighbours
from equiform.functional.momentum_contrast import momentum_contrast
from equiform.functional.orientation import orientation_determinant, orientation_gap
from equiform.functional.relative import (
    relative_equivariance,
    relative_equivariance_care,
    relative_equivariance_moments,
)
from equiform.functional.spread import cosine_spread, effective_rank, effective_rank_moments
from equiform.functional.wahba import composition_defect, wahba_error

__all__ = [
    "Estimate",
    "InfoNCETerms",
    "Neighbours",
    "SupportsDistance",
    "SupportsSimilarity",
    "composition_defect",
    "cosine_spread",
    "effective_rank",
    "effective_rank_moments",
    "info_nce",
    "info_nce_terms",
    "invariance",
    "knn_accuracy",
    "momentum_contrast",
    "nearest_neighbours",
    "orientation_determinant",
    "orientation_gap",
    "pairwise_equivariance",
    "relative_equivariance",
    "relative_equivariance_care",
    "relative_equivariance_moments",
    "uniformity",
    "wahba_error",
]
