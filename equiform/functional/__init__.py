"""Stateless losses and measures: one pure function a term.

Every loss leaves autocast and computes in float32 or better: half-precision embeddings are upcast
first. None of them normalises: project embeddings to a manifold before, where you want it.
"""

from equiform.functional.contrastive import (
    InfoNCETerms,
    SupportsSimilarity,
    info_nce,
    info_nce_terms,
    invariance,
    uniformity,
)
from equiform.functional.equivariance import pairwise_equivariance
from equiform.functional.measures import (
    effective_rank,
    relative_equivariance,
    relative_equivariance_care,
    wahba_error,
)

__all__ = [
    "InfoNCETerms",
    "SupportsSimilarity",
    "effective_rank",
    "info_nce",
    "info_nce_terms",
    "invariance",
    "pairwise_equivariance",
    "relative_equivariance",
    "relative_equivariance_care",
    "uniformity",
    "wahba_error",
]
