"""W_f of a data set in batches: as of the whole, whatever the batches are."""

import pytest
import torch

from equiform import (
    EuclideanForm,
    HermitianForm,
    MetricForm,
    SpecialOrthogonal,
    SymplecticForm,
)
from equiform.metrics import CollapseWarning, TrivialFitWarning, WahbaError
from tests.distributed.ranks import on_ranks
from tests.metrics.clouds import unit

O4 = EuclideanForm().isometry_group(4)
S = torch.tensor([[2.0, 1, 0, 0], [1, 3, 0, 0], [0, 0, 3, 1], [0, 0, 1, 1]])
GROUPS = [
    O4,
    SpecialOrthogonal(4),
    HermitianForm().isometry_group(4),
    SymplecticForm().isometry_group(4),
    MetricForm(S).isometry_group(4),
]


def moved(group, k=3, n=501):
    """Points, and the same after k noisy transformations."""
    dtype = torch.complex128 if group.form.sesquilinear else torch.float64
    generator = torch.Generator().manual_seed(0)
    b, *noise = torch.randn(k + 1, n, 4, dtype=dtype, generator=generator)
    t = group.sample(k, dtype=dtype, rapidity=0.5, generator=generator)
    return b, [b @ m.mT + x for m, x in zip(t, noise, strict=True)]


def streamed(group, b, targets, size, **options):
    """Batches of one transformation after the other's, as a loader gives them."""
    metric = WahbaError(group, num_transformations=len(targets), **options)
    for rows in torch.arange(len(b)).split(size):
        for i, a in enumerate(targets):
            metric.update(b[rows], a[rows], transformation=i)
    return metric


@pytest.mark.parametrize("group", GROUPS, ids=repr)
@pytest.mark.parametrize("held_out", [True, False])
@pytest.mark.filterwarnings("ignore:the embeddings have collapsed")
def test_batches_are_as_the_whole(group, held_out):
    b, targets = moved(group)
    whole = WahbaError(group, held_out=held_out)
    for a in targets:
        whole.update(b, a)
    assert whole.compute() > 0.3
    for size in (100, 33, 501):
        metric = streamed(group, b, targets, size, held_out=held_out)
        torch.testing.assert_close(metric.compute(), whole.compute(), rtol=1e-10, atol=0)
    estimate, expected = metric.estimate(), whole.estimate()
    assert estimate.value == metric.compute()
    assert estimate.low.isnan()
    assert estimate.high.isnan()
    # One batch is shuffled as the whole is.
    torch.testing.assert_close(estimate.null, expected.null, rtol=1e-8, atol=0)
    small = streamed(group, b, targets, 50, held_out=held_out).estimate()
    torch.testing.assert_close(small.null, expected.null, rtol=0.1, atol=0)


def test_batches_of_one_point_have_no_null():
    b, targets = moved(O4, n=41)
    metric = streamed(O4, b, targets, 1)
    whole = WahbaError(O4)
    for a in targets:
        whole.update(b, a)
    torch.testing.assert_close(metric.compute(), whole.compute(), rtol=1e-10, atol=0)
    assert metric.estimate().null.isnan()


def test_float32_embeddings_answer_in_float32():
    b, targets = moved(O4)
    metric = streamed(O4, b.float(), [a.float() for a in targets], 100)
    assert metric.compute().dtype == torch.float32


def on_rank(rank, size):
    """Each rank has every other batch of two points, so that no parity changes."""
    b, targets = moved(O4, n=400)
    rows = torch.arange(400).view(-1, 2)[rank::size].flatten()
    metric = streamed(O4, b[rows], [a[rows] for a in targets], 20)
    return torch.stack([metric.compute(), metric.estimate().value])


def test_two_ranks_equal_one_process(tmp_path):
    alone = on_rank(0, 1)
    for both in on_ranks(2, on_rank, tmp_path):
        torch.testing.assert_close(both, alone, rtol=1e-10, atol=0)


def test_merged_and_reset_is_as_one():
    b, targets = moved(O4, n=400)
    first, second = (streamed(O4, b[part], [a[part] for a in targets], 50) for part in HALVES)
    whole = streamed(O4, b, targets, 100)
    first.merge_state(second)
    torch.testing.assert_close(first.compute(), whole.compute(), rtol=1e-10, atol=0)
    first.reset()
    assert first.moments.eq(0).all()


HALVES = slice(0, 200), slice(200, 400)


def test_transformations_that_had_no_points_do_not_count():
    b, targets = moved(O4)
    metric = WahbaError(O4, num_transformations=5)
    metric.update(b, targets[0], transformation=3)
    single = WahbaError(O4)
    single.update(b, targets[0])
    torch.testing.assert_close(metric.compute(), single.compute(), rtol=1e-10, atol=0)


def test_warnings_and_errors():
    metric = WahbaError(O4, num_transformations=2)
    few = unit(7, 4)
    metric.update(few, few, transformation=0)
    with pytest.warns(TrivialFitWarning, match="fits 4 points in 4 dimensions") as seen:
        metric.compute()
    assert seen[0].filename == __file__
    collapsed = WahbaError(O4, num_transformations=1)
    point = unit(1, 4) + 0.01 * torch.randn(40, 4, dtype=torch.float64)
    collapsed.update(point, point, transformation=0)
    with pytest.warns(CollapseWarning, match=r"effective rank 1\.0"):
        collapsed.compute()
    for wrong in (None, 2, -1, True, 0.0):
        with pytest.raises(ValueError, match=f"int from 0 to 1, .*got {wrong}"):
            metric.update(few, few, transformation=wrong)
    with pytest.raises(ValueError, match=r"must have shape \(n, 4\), got \(7, 3\)"):
        metric.update(few[:, :3], few[:, :3], transformation=0)
    with pytest.raises(TypeError, match="bilinear"):
        metric.update(few + 0j, few + 0j, transformation=0)
    with pytest.raises(ValueError, match="transformation=0 is for batches: give WahbaError"):
        WahbaError(O4).update(few, few, transformation=0)
    one = WahbaError(O4, num_transformations=2)
    one.update(few[:1], few[:1], transformation=1)
    with pytest.raises(ValueError, match=r"transformation 1 has had n=1 point .*held_out=False"):
        one.compute()
