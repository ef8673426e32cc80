"""The matrix exponential, around a defect of torch."""

import torch
from torch import Tensor


def matrix_exp(x: Tensor) -> Tensor:
    """Matrix exponential, ``(..., d, d)``, right to rounding at every norm.

    For a batch of one, torch (to 2.14 at least) takes a degree-8 polynomial with a wrong
    coefficient at norms of about 0.01 to 0.04 in float64 and 0.1 to 0.6 in float32: errors of 1e-10
    and 1e-5 (pytorch issue 196592). Batches of two or more never take it, so one is made two.
    """
    if x.shape[:-2].numel() != 1:
        return torch.linalg.matrix_exp(x)
    return torch.linalg.matrix_exp(x.expand(2, *x.shape))[0]
