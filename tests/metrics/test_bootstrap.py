"""The streaming bootstrap: its counts, its sums and its intervals."""

import math

import numpy as np
import pytest
import torch

from equiform.functional.bootstrap import NUM_REPLICATES, percentile_interval, poisson_sums
from equiform.functional.wahba import root_ratio


def counts(n):
    """How often each of n points enters each replicate, ``(NUM_REPLICATES, n)``."""
    return poisson_sums(torch.eye(n, dtype=torch.float64))[1:]


def test_counts_are_poisson_of_mean_one():
    w = counts(500).numpy()
    assert w.shape == (NUM_REPLICATES, 500)
    for k in range(6):
        share, expected = (w == k).mean(), math.exp(-1) / math.factorial(k)
        assert abs(share - expected) < 5 * (expected / w.size) ** 0.5
    # Points enter independently of each other, and replicates too.
    for m in (np.corrcoef(w.T), np.corrcoef(w)):
        n = len(m)
        off = m[~np.eye(n, dtype=bool)]
        samples = w.size / n
        assert abs(off).max() < 6 / samples**0.5
        assert off.std() == pytest.approx(samples**-0.5, rel=0.1)


def test_counts_depend_on_the_row_alone():
    w = counts(700)
    assert torch.equal(counts(300), w[:, :300])
    assert torch.equal(counts(300), counts(300))
    assert not torch.equal(w[:, :256], w[:, 256:512])


@pytest.mark.parametrize("n", [2, 255, 256, 257, 700])
def test_sums_over_blocks_are_one_product(n, dtype):
    terms = torch.randn(3, n, dtype=dtype).mT  # non-contiguous
    w = np.concatenate([np.ones((1, n)), counts(n).numpy()])
    sums = poisson_sums(terms)
    assert sums.dtype == torch.float64
    np.testing.assert_allclose(sums.numpy(), w @ terms.double().numpy(), rtol=1e-12, atol=1e-12)


def test_a_replicate_without_points_counts_each_once():
    w = counts(1)
    assert w.min() == 1
    # Those of no draw beside those of one.
    assert (w == 1).double().mean() == pytest.approx(2 * math.exp(-1), abs=0.06)
    assert poisson_sums(torch.zeros(0, 2)).eq(0).all()


def test_percentiles_are_numpys():
    x = torch.randn(NUM_REPLICATES, dtype=torch.float64)
    low, high = percentile_interval(x, 0.9)
    np.testing.assert_allclose([low, high], np.quantile(x.numpy(), [0.05, 0.95]), rtol=1e-12)


@pytest.mark.parametrize("n", [60, 400])
def test_interval_covers_a_known_ratio(n):
    covered = 0
    for _ in range(200):
        energy = torch.randn(n, 6, dtype=torch.float64).square().sum(-1)
        error = energy * torch.rand(n, dtype=torch.float64)  # E error / E energy = 1/2
        replicates = root_ratio(poisson_sums(torch.stack([error, energy], -1)))[1:]
        low, high = percentile_interval(replicates, 0.95)
        covered += bool(low <= 0.5**0.5 <= high)
    # Three standard deviations of a binomial count.
    assert abs(covered - 190) <= 3 * (200 * 0.95 * 0.05) ** 0.5


def test_interval_shrinks_with_the_root_of_n():
    widths = []
    for n in (500, 8000):
        terms = torch.rand(n, 2, dtype=torch.float64)
        low, high = percentile_interval(root_ratio(poisson_sums(terms))[1:], 0.95)
        widths.append(high - low)
    assert widths[0] / widths[1] == pytest.approx(4, rel=0.15)
