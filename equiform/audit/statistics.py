"""All that is kept of embeddings that were not fitted: sums over points, however many there are."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from equiform._points import squared_modulus
from equiform.forms import Form
from equiform.functional.bootstrap import NUM_REPLICATES, percentile_interval
from equiform.functional.wahba import root_ratio, wahba_terms
from equiform.groups import Moments


class HeldOutStatistics:
    """Errors on points that were not fitted: of T, of the null's T, and of the identity.

    Lengths are taken in the coordinates of the form. ``moments``, of f(x) and f(a x), begin as
    those of no points.
    """

    def __init__(self, matrix: Tensor, null_matrix: Tensor, form: Form, empty: Moments) -> None:
        self.moments = empty
        self._form = form
        identity = torch.eye(empty.dim, dtype=matrix.dtype, device=matrix.device)
        self._matrices = torch.stack([matrix, null_matrix, identity])
        # Sums of squared errors, and of what they are relative to.
        self._sums = matrix.real.new_zeros(3, 2)
        self._replicates = matrix.real.new_zeros(NUM_REPLICATES, 2)
        self._total = matrix.new_zeros(empty.dim)
        self._energy = matrix.real.new_zeros(())

    def update(self, source: Tensor, target: Tensor, shuffled: Tensor, counts: Tensor) -> None:
        """Take f(x), f(a x) and f(a x') of a batch, and how often each replicate counts a row."""
        self.moments += Moments.of(source, target)
        targets = torch.stack([target, shuffled, target])
        terms = wahba_terms(source, targets, self._matrices, None, self._form)
        self._sums += terms.sum(1)
        self._replicates += counts.to(terms).mT @ terms[0]
        x = self._form.coordinates(source)
        self._total += x.sum(0)
        self._energy += squared_modulus(x).sum()

    def numbers(self) -> dict[str, Any]:
        """W_f of T, of shuffled pairs and of the identity, and the displacement, as in a row."""
        names = ("error", "null", "invariance_error")
        errors = dict(zip(names, root_ratio(self._sums).tolist(), strict=True))
        return errors | {"displacement": self._displacement()}

    def interval(self) -> tuple[float, float]:
        """95% interval of W_f of T over the points, T held fixed."""
        # A replicate that drew no point says nothing; with 2 points one in seven does not.
        empty = self._replicates[:, 1:] == 0
        replicates = torch.where(empty, self._sums[0], self._replicates)
        low, high = percentile_interval(root_ratio(replicates), 0.95)
        return low.item(), high.item()

    def _displacement(self) -> float | None:
        n, energy = self.moments.weight, self._energy
        scatter = energy - squared_modulus(self._total).sum() / n
        if scatter <= 1e3 * torch.finfo(torch.float64).eps * energy:  # mere rounding
            return None
        # The mean of |f(x) - f(x')|² over pairs of two points is 2 scatter / (n - 1).
        return (self._sums[2, 0] * (n - 1) / (2 * n * scatter)).sqrt().item()
