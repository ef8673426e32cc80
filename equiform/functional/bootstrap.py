"""Confidence intervals over points, by a bootstrap that streams."""

from __future__ import annotations

import functools
from typing import NamedTuple

import torch
from torch import Tensor

from equiform._options import check_number

#: How many replicates an interval rests on.
NUM_REPLICATES = 1000
_BLOCK = 256


class Estimate(NamedTuple):
    """A measured value with what it has to be read beside.

    Attributes:
        value: the value.
        low: lower end of its bootstrap interval over the points on which it was measured.
        high: upper end of it.
        null: what it would be without any relation, the pairs being shuffled.
    """

    value: Tensor
    low: Tensor
    high: Tensor
    null: Tensor


def poisson_sums(terms: Tensor) -> Tensor:
    r"""Sums of the terms of all points, over the sample and over its bootstrap replicates.

    Point i enters replicate r :math:`w_{ir} \sim \mathrm{Poisson}(1)` times. The counts depend on
    the row i alone: statistics of several transformations of the same points may be averaged
    replicate by replicate, over updates and over workers. A replicate without any point counts
    each once.

    Args:
        terms: k numbers for each point, shape ``(n, k)``.

    Returns:
        Shape ``(1 + NUM_REPLICATES, k)``, the sample first, in float64.

    Source: Hanley & MacGibbon, Comput. Methods Programs Biomed. 2006; Chamandy et al., Estimating
    uncertainty for massive data streams, Google 2012.
    """
    x = terms.to(torch.float64)
    sample = x.sum(0, keepdim=True)
    sums = x.new_zeros(NUM_REPLICATES, x.shape[1])
    counts = x.new_zeros(NUM_REPLICATES, 1)
    for block, rows in enumerate(x.split(_BLOCK)):
        w = _poisson_counts(block)[: len(rows)].to(x).mT
        sums += w @ rows
        counts += w.sum(1, keepdim=True)
    return torch.cat([sample, torch.where(counts > 0, sums, sample)])


def percentile_interval(replicates: Tensor, level: float) -> tuple[Tensor, Tensor]:
    """Ends of the central interval that holds a share ``level`` of the replicates, ``(r,)``.

    Raises:
        TypeError, ValueError: ``level`` is no number, or not strictly between 0 and 1.
    """
    check_number("level", level)
    if not 0 < level < 1:
        raise ValueError(f"level must be strictly between 0 and 1, got {level}")
    tail = (1 - level) / 2
    return torch.quantile(replicates, tail), torch.quantile(replicates, 1 - tail)


# 32 MB at most, and the draws cost more than all that is done with them.
@functools.lru_cache(maxsize=128)
def _poisson_counts(block: int) -> Tensor:
    """Counts for the rows of one block, ``(_BLOCK, NUM_REPLICATES)``, drawn on the CPU."""
    generator = torch.Generator().manual_seed(block)
    return torch.poisson(torch.ones(_BLOCK, NUM_REPLICATES), generator).to(torch.uint8)
