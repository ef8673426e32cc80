"""What all classification of embeddings asks of its labels."""

from __future__ import annotations

import torch
from torch import Tensor

from equiform._points import check_points


def check_labels(name: str, features: Tensor, labels: Tensor) -> None:
    """Raise, as the function `name`, unless each embedding ``(n, d)`` has a class ``(n,)``."""
    check_points("(n, d)", features=features)
    if not isinstance(labels, Tensor):
        raise TypeError(
            f"{name} needs labels that are a tensor of int64 classes, got {type(labels).__name__}; "
            "use torch.as_tensor(labels)"
        )
    if labels.shape != features.shape[:1]:
        raise ValueError(
            f"{name} needs features (n, d) and labels (n,), got {tuple(features.shape)} and "
            f"{tuple(labels.shape)}"
        )
    if labels.dtype != torch.int64 or labels.min() < 0:
        raise ValueError(
            f"{name} needs labels that are int64 classes from 0, got {labels.dtype} with minimum "
            f"{labels.min().item()}"
        )
