"""Several processes, or several metrics merged, report what one metric on all updates does."""

import pytest
import torch

from equiform import EuclideanForm
from equiform.metrics import CompositionDefect, CosineSpread, RelativeEquivariance, WahbaError
from tests.distributed.ranks import on_ranks

NUM_UPDATES = 5  # does not divide by 2


def metrics():
    group = EuclideanForm().isometry_group(3)
    return [WahbaError(group), CompositionDefect(group), CosineSpread(), RelativeEquivariance()]


def feed(metric, updates):
    """Transformations of the same points, by their number."""
    b = torch.randn(41, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for update in updates:
        generator = torch.Generator().manual_seed(1 + update)
        targets = torch.randn(3, 41, 3, dtype=torch.float64, generator=generator)
        metric.update(b, *(targets if isinstance(metric, CompositionDefect) else targets[:1]))
    return metric


def report(metric):
    values = [metric.compute()]
    if not isinstance(metric, RelativeEquivariance):
        values += metric.estimate()
    return torch.stack(values)


def on_rank(rank, size):
    """Reports over all ranks, and again after each rank has had the other half as well."""
    results = []
    for metric in metrics():
        feed(metric, range(rank, NUM_UPDATES, size))
        results.append(report(metric))
        # The states of the rank are its own again, and take more.
        feed(metric, range(1 - rank, NUM_UPDATES, size))
        results.append(report(metric))
    return results


def test_two_ranks_equal_one_process(tmp_path):
    ranks = on_ranks(2, on_rank, tmp_path)
    for case, metric in enumerate(metrics()):
        alone = report(feed(metric, range(NUM_UPDATES)))
        for rank in ranks:
            torch.testing.assert_close(rank[2 * case], alone)
            torch.testing.assert_close(rank[2 * case + 1], alone)


@pytest.mark.parametrize("case", range(4), ids=lambda case: type(metrics()[case]).__name__)
def test_merged_or_reset_is_as_one(case):
    whole, part, other = (metrics()[case] for _ in range(3))
    feed(whole, range(NUM_UPDATES))
    feed(part, range(2))
    feed(other, range(2, NUM_UPDATES))
    part.merge_state(other)
    torch.testing.assert_close(report(part), report(whole))
    part.reset()
    feed(part, range(NUM_UPDATES))
    assert torch.equal(report(part), report(whole))


def test_forward_is_the_value_of_one_update_and_keeps_the_sums():
    b, first, second = torch.randn(3, 41, 3, dtype=torch.float64)
    metric = WahbaError(EuclideanForm().isometry_group(3))
    values = [metric(b, first), metric(b, second)]
    assert values[0] != values[1]
    torch.testing.assert_close(metric.estimate().value, torch.stack(values).mean())
