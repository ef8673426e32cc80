"""The definition of the log-partition op: what every faster route is tested against."""

from __future__ import annotations

import torch
from torch import Tensor


def log_partition(x: Tensor, *, group: int = 1) -> Tensor:
    r"""Log-partition of every row, by the m×m matrix of logits itself.

    .. math:: \ell_i = \log \sum_{j \notin g(i)} e^{\langle x_i, x_j\rangle}

    g(i) are the ``group`` consecutive rows that row i belongs to, itself among them. Shapes
    ``(m, d) -> (m,)``; -inf where there is no other group. Memory is O(m²).
    """
    return of_logits(x @ x.mT, group=group)


def of_logits(logits: Tensor, *, group: int, start: int = 0) -> Tensor:
    """Log-partition of the rows ``start, start + 1, …`` from their logits, ``(r, m) -> (r,)``."""
    r, m = logits.shape
    columns = torch.arange(m, device=logits.device) // group
    rows = columns[start : start + r]
    return logits.masked_fill(rows[:, None] == columns, -torch.inf).logsumexp(-1)
