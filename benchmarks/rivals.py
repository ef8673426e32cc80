"""What the Gram-difference op, and a whole training step, are measured against."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from equiform.augment import ImageAugmentation


def eager(a: Tensor, b: Tensor) -> Tensor:
    """The formula as one writes it: n×n matrices, all chunks batched."""
    return (a @ a.mT - b @ b.mT).square().mean((-2, -1)).mean()


def eager_masked(mask: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
    """The same over the pairs of a mask, whose share of all pairs is not divided out."""
    return lambda a, b: ((a @ a.mT - b @ b.mT) * mask).square().mean((-2, -1)).mean()


def eager_moments(a: Tensor, b: Tensor) -> Tensor:
    """What a careful user writes: d×d moments in the dtype of the inputs, by autograd."""
    aa, ab, bb = a.mT @ a, a.mT @ b, b.mT @ b
    total = aa.square().sum() - 2 * ab.square().sum() + bb.square().sum()
    return total / (len(a) * a.shape[-2] ** 2)


def released(a: Tensor, b: Tensor) -> Tensor:
    """The released CARE loss, formula for formula (github: Sharut/CARE at 7090100).

    A Python loop over chunks, a mask built by Python loops on the host, and ``masked_select``.
    """
    total = a.new_zeros(())
    for x, y in zip(a, b, strict=True):
        m = len(x)
        mask = torch.ones((m, m), dtype=torch.bool)
        for i in range(m):
            mask[i, i] = False
        mask = mask.to(x.device)
        before = torch.masked_select(x @ x.mT, mask).view(m, m - 1)
        after = torch.masked_select(y @ y.mT, mask).view(m, m - 1)
        total = total + 2 * (before - after).norm(p=2, dim=1).square().mean()
    return total / len(a)


def released_info_nce(x: Tensor, y: Tensor, temperature: float) -> Tensor:
    """The released contrastive loss, formula for formula, of views ``(n, d)``.

    Naive exponentials of all pairs, and a mask built by a Python loop on the host.
    """
    n = len(x)
    mask = torch.ones((2 * n, 2 * n), dtype=torch.bool)
    for i in range(n):
        mask[i, i] = mask[i, i + n] = mask[i + n, i] = mask[i + n, i + n] = False
    z = torch.cat([x, y])
    similarity = torch.exp(z @ z.mT / temperature)
    negatives = similarity.masked_select(mask.to(x.device)).view(2 * n, -1).sum(-1)
    positives = torch.exp((x * y).sum(-1) / temperature).repeat(2)
    return -torch.log(positives / (positives + negatives)).mean()


def one_pair(
    augmentation: ImageAugmentation, images: Tensor, generator: torch.Generator
) -> list[Tensor]:
    """Two views as the released code has them: one transformation each for the whole batch."""
    return [
        augmentation.apply(images, augmentation.sample(1, generator=generator)) for _ in range(2)
    ]


def looped_pairs(
    augmentation: ImageAugmentation, images: Tensor, num_chunks: int, generator: torch.Generator
) -> list[Tensor]:
    """Two views as Algorithm 1 is written: each chunk augmented twice, in a Python loop."""
    pairs = [one_pair(augmentation, chunk, generator) for chunk in images.chunk(num_chunks)]
    return [torch.cat(view) for view in zip(*pairs, strict=True)]
