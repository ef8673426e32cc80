"""What stops a run: the first batch whose loss, or whose gradients, are not finite."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.optim import Optimizer

from equiform.ops.distributed import sum_over_ranks


def sizes(loss: Tensor, optimizer: Optimizer) -> Tensor:
    """A loss and the largest entry of the gradients that a step would take, on its device."""
    # Extremes pass NaN on and do not overflow; on a CPU the largest modulus is much slower.
    edges = [loss.new_zeros(())]
    for gradient in (p.grad for group in optimizer.param_groups for p in group["params"]):
        if gradient is not None:
            values = gradient.coalesce().values() if gradient.is_sparse else gradient
            values = torch.view_as_real(values) if values.is_complex() else values
            edges += [x.to(loss.device) for x in (values.aminmax() if values.numel() else ())]
    return torch.stack([loss.detach(), torch.stack(edges).abs().amax()]).double()


def check_finite(batches: Sequence[Tensor], run: str, epoch: int, first: int) -> None:
    """Raise FloatingPointError unless the :func:`sizes` of consecutive batches are finite.

    All ranks stop together, at the same batch. On a GPU this waits for the backward pass, once a
    step of the optimizer, as torch's own GradScaler does: whether there is a step hangs on it. To
    look later would leave weights of NaN, or cost more, where each gradient is zeroed on the device
    if any is not finite.

    Args:
        batches: of one step.
        run: what the message begins with.
        epoch: in which they are.
        first: the number of the first of them.
    """
    of_ranks = sum_over_ranks(torch.stack(list(batches)))
    for number, (loss, gradient) in enumerate(of_ranks.tolist(), start=first):
        what, value = ("a gradient", gradient) if math.isfinite(loss) else ("the loss", loss)
        if not math.isfinite(value):
            raise FloatingPointError(
                f"{run}: {what} is {value} in epoch {epoch}, batch {number}; lower the learning "
                "rate, or look for NaN in the batch"
            )
