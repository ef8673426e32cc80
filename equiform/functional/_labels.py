"""What all classification of embeddings asks of its labels."""

from __future__ import annotations

import torch
from torch import Tensor

from equiform._points import check_points


def check_labels(name: str, features: Tensor, labels: Tensor, part: str = "") -> None:
    """Raise, as the function `name`, unless each embedding ``(n, d)`` has a class ``(n,)``.

    What is not as it must be is named after its part of the data, such as ``"test_"``.
    """
    check_points("(n, d)", real=True, finite=True, empty=False, **{f"{part}features": features})
    if not isinstance(labels, Tensor):
        raise TypeError(
            f"{name} needs {part}labels that are a tensor of int64 classes, got "
            f"{type(labels).__name__}; use torch.as_tensor({part}labels)"
        )
    if labels.shape != features.shape[:1]:
        raise ValueError(
            f"{name} needs {part}features (n, d) and {part}labels (n,), got "
            f"{tuple(features.shape)} and {tuple(labels.shape)}"
        )
    if labels.device != features.device:
        raise ValueError(
            f"{name} needs {part}labels on the device of {part}features, {features.device}, got "
            f"{labels.device}; use {part}labels.to({part}features.device)"
        )
    if labels.dtype != torch.int64:
        raise ValueError(
            f"{name} needs {part}labels that are int64 classes from 0, got {labels.dtype}; use "
            f"{part}labels.long() where they are whole numbers"
        )
    if labels.min() < 0:
        raise ValueError(
            f"{name} needs {part}labels that are int64 classes from 0, got {labels.dtype} with "
            f"minimum {labels.min().item()}"
        )
