"""What the Gram-difference op is measured against, each loss over (c, n, d) chunks."""

from __future__ import annotations

import torch
from torch import Tensor


def eager(a: Tensor, b: Tensor) -> Tensor:
    """The formula as one writes it: n×n matrices, all chunks batched."""
    return (a @ a.mT - b @ b.mT).square().mean((-2, -1)).mean()


def eager_moments(a: Tensor, b: Tensor) -> Tensor:
    """What a careful user writes: d×d moments in the dtype of the inputs, by autograd."""
    aa, ab, bb = a.mT @ a, a.mT @ b, b.mT @ b
    total = aa.square().sum() - 2 * ab.square().sum() + bb.square().sum()
    return total / (len(a) * a.shape[-2] ** 2)


def released(a: Tensor, b: Tensor) -> Tensor:
    """The released CARE loss, formula for formula (github: Sharut/CARE at 7090100).

    A Python loop over chunks, a mask built by Python loops, and ``masked_select``.
    """
    total = a.new_zeros(())
    for x, y in zip(a, b, strict=True):
        m = len(x)
        mask = torch.ones((m, m), dtype=torch.bool, device=x.device)
        for i in range(m):
            mask[i, i] = False
        before = torch.masked_select(x @ x.mT, mask).view(m, m - 1)
        after = torch.masked_select(y @ y.mT, mask).view(m, m - 1)
        total = total + 2 * (before - after).norm(p=2, dim=1).square().mean()
    return total / len(a)
