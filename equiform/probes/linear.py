"""Classification from the features of a frozen encoder, which are computed once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, linear
from torch.optim import Optimizer
from torch.optim.lr_scheduler import MultiStepLR

from equiform._options import check_count, check_number
from equiform.functional._arguments import check_callable
from equiform.functional._labels import check_labels
from equiform.probes.frozen import require_frozen


@torch.no_grad()
def extract_features(
    encoder: nn.Module,
    images: Tensor,
    preprocess: Callable[[Tensor], Tensor],
    *,
    batch_size: int = 512,
    device: torch.device | str | None = None,
) -> Tensor:
    """Embed images batch by batch with a frozen encoder.

    Args:
        encoder: every part of it in eval mode.
        images: as they are stored, uint8 of shape ``(n, c, h, w)``.
        preprocess: makes the encoder's input of a batch of images, on the device.
        batch_size: images at a time.
        device: where the encoder is, and the result; the images' own unless given.
    """
    require_frozen(encoder)
    batch_size = check_count("batch_size", batch_size)
    check_callable("preprocess", preprocess, "a function of a batch of images")
    if not isinstance(images, Tensor) or images.ndim == 0:
        got = "a scalar" if isinstance(images, Tensor) else type(images).__name__
        raise TypeError(f"images must be a tensor, got {got}")
    if not len(images):
        raise ValueError("extract_features needs images, got none")
    features = [encoder(preprocess(batch.to(device=device))) for batch in images.split(batch_size)]
    for z in features:
        if not isinstance(z, Tensor) or z.ndim == 0:
            raise TypeError(
                "encoder must return a tensor with one row an image, got "
                + (f"shape {tuple(z.shape)}" if isinstance(z, Tensor) else type(z).__name__)
            )
    return torch.cat(features)


class ProbeScore(NamedTuple):
    """How well a linear classifier does on test features.

    Attributes:
        top1: the share that it classifies right, in [0, 1].
        loss: mean cross-entropy, in nats.
    """

    top1: float
    loss: float


@torch.enable_grad()
def linear_probe(
    features: Tensor,
    labels: Tensor,
    test_features: Tensor,
    test_labels: Tensor,
    *,
    epochs: int = 100,
    batch_size: int = 512,
    lr: float = 1e-3,
    weight_decay: float = 1e-6,
    optimizer: Callable[..., Optimizer] = torch.optim.Adam,
    milestones: Iterable[int] = (),
    seed: int = 0,
) -> ProbeScore:
    """Train a linear classifier of fixed features, and score it.

    The classifier begins as :class:`torch.nn.Linear` does. It is trained in float32 or better.

    Args:
        features: to train on, real, shape ``(n, d)``.
        labels: their classes, int64 from 0, shape ``(n,)``.
        test_features, test_labels: to score on; no class above the largest of `labels`.
        epochs, batch_size, lr, weight_decay: of the training; the defaults are the paper's for
            small images.
        optimizer: called with the parameters, ``lr`` and ``weight_decay``.
        milestones: epochs after which the learning rate is a tenth.
        seed: of the initial classifier and of the order of the batches.

    Raises:
        FloatingPointError: the training diverged, as with a learning rate that is too large.

    Source: Gupta et al., ICLR 2024, Table 1.
    """
    epochs, batch_size = check_count("epochs", epochs), check_count("batch_size", batch_size)
    lr, weight_decay = check_number("lr", lr), check_number("weight_decay", weight_decay)
    seed = check_count("seed", seed, least=0)
    if not isinstance(milestones, Iterable):
        raise TypeError(f"milestones must be a list, got {milestones!r}; use milestones=[...]")
    milestones = [check_count("milestones", epoch, least=0) for epoch in milestones]
    if not callable(optimizer) or isinstance(optimizer, Optimizer):
        raise TypeError(f"optimizer must be a class such as torch.optim.SGD, got {optimizer!r}")
    check_labels("linear_probe", features, labels)
    check_labels("linear_probe", test_features, test_labels, "test_")
    dim, num_classes = features.shape[1], int(labels.max()) + 1
    if test_features.device != features.device:
        raise ValueError(
            f"test_features must be on the device of features, {features.device}, got "
            f"{test_features.device}; use test_features.to(features.device)"
        )
    if test_features.shape[1] != dim or int(test_labels.max()) >= num_classes:
        given = f"{test_features.shape[1]} dimensions and a label {int(test_labels.max())}"
        raise ValueError(
            f"test_features must be of {dim} dimensions and test_labels of the {num_classes} "
            f"classes of the training labels, got {given}"
        )
    if num_classes * dim > 2**31:
        raise ValueError(
            f"labels must count classes from 0, got one of {num_classes - 1}; use "
            "labels.unique(return_inverse=True)[1]"
        )
    dtype = torch.promote_types(features.dtype, torch.float32)
    features, test_features = features.detach().to(dtype), test_features.detach().to(dtype)
    # Drawn on the CPU, so that a seed means the same on every device.
    generator = torch.Generator().manual_seed(seed)
    drawn = (
        torch.empty(*shape, dtype=dtype).uniform_(-(dim**-0.5), dim**-0.5, generator=generator)
        for shape in ((num_classes, dim), (num_classes,))
    )
    classifier = [parameter.to(features.device).requires_grad_() for parameter in drawn]
    descent = optimizer(classifier, lr=lr, weight_decay=weight_decay)
    schedule = MultiStepLR(descent, milestones)
    with torch.autocast(features.device.type, enabled=False):
        for _ in range(epochs):
            order = torch.randperm(len(features), generator=generator).to(features.device)
            for batch in order.split(batch_size):
                descent.zero_grad()
                cross_entropy(linear(features[batch], *classifier), labels[batch]).backward()
                descent.step()
            schedule.step()
        with torch.no_grad():
            logits = linear(test_features, *classifier)
    if not logits.isfinite().all():
        raise FloatingPointError(
            f"the linear probe diverged: its logits are not finite; lower lr={lr}, or scale the "
            f"features, whose largest entry is {features.abs().max():.3g}"
        )
    top1 = (logits.argmax(1) == test_labels).double().mean()
    return ProbeScore(top1.item(), cross_entropy(logits, test_labels).item())
