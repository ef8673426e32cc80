"""What all classification of embeddings asks of its labels."""

from __future__ import annotations

import torch
from torch import Tensor


def check_labels(name: str, features: Tensor, labels: Tensor) -> None:
    """Raise a ValueError, as the function `name`, unless each embedding has a class."""
    if features.ndim != 2 or labels.shape != features.shape[:1] or not len(labels):
        raise ValueError(
            f"{name} needs features (n, d) and labels (n,), n > 0, got {tuple(features.shape)} and "
            f"{tuple(labels.shape)}"
        )
    if labels.dtype != torch.int64 or labels.min() < 0:
        raise ValueError(
            f"{name} needs labels that are int64 classes from 0, got {labels.dtype} with minimum "
            f"{labels.min().item()}"
        )
