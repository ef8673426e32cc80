"""Who shares a transformation with whom: chunks, views, and shares of a batch on processes."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from equiform.augment import (
    CAREViews,
    HorizontalFlip,
    augment_chunks,
    care_views,
    simclr_augmentation,
    two_views,
)
from tests.augment.test_images import (
    CONTINUOUS,
    SWITCHES,
    apart,
    generator,
    images,
    rounding,
)

SIMCLR = CONTINUOUS["simclr"]


def assert_shared(result, chunks):
    """The images of a chunk are equal up to rounding; those of two chunks are not alike."""
    firsts = result.unflatten(0, (chunks, -1))[:, 0]
    of_chunk = torch.arange(len(result)) // (len(result) // chunks)
    assert apart(result, firsts[of_chunk]).max() <= rounding(result)
    i, j = torch.combinations(torch.arange(chunks)).unbind(1)
    assert (apart(firsts[i], firsts[j]) > 100 * rounding(result)).all()


@pytest.mark.parametrize("augmentation", CONTINUOUS.values(), ids=CONTINUOUS.keys())
def test_chunks_differ(augmentation):
    batch = images(1).expand(12, -1, -1, -1)
    result, _ = augment_chunks(augmentation, batch, 6, generator=generator())
    assert_shared(result, 6)


@pytest.mark.parametrize("augmentation", SWITCHES.values(), ids=SWITCHES.keys())
def test_switches_differ_between_chunks_and_not_within(augmentation):
    batch = images(1).expand(64, -1, -1, -1)
    result, _ = augment_chunks(augmentation, batch, 16, generator=generator())
    changed = (result != batch / 255).flatten(1).any(1).unflatten(0, (16, 4))
    assert 0 < int(changed[:, 0].sum()) < 16
    assert torch.equal(changed, changed[:, :1].expand_as(changed))


def test_a_shared_batch_is_large_and_threads_may_divide_it():
    batch = images(1, 31, 33).expand(256, -1, -1, -1)
    result, _ = augment_chunks(simclr_augmentation(32), batch, 1, generator=generator())
    assert apart(result, result[:1]).max() <= rounding(result, side=33)


@given(chunks=st.integers(2, 3), size=st.integers(2, 3), seed=st.integers(0, 2**31))
def test_care_views(chunks, size, seed):
    batch = images(1).expand(chunks * size, -1, -1, -1)
    views = care_views(SIMCLR, batch, chunks, generator=generator(seed))
    assert isinstance(views, CAREViews)
    for view in (views.x1_inv, views.x2_inv):
        assert_shared(view, len(batch))
    for view in (views.x1_equi, views.x2_equi):
        assert_shared(view, chunks)
    different = 100 * rounding(views.x1_inv)
    assert (apart(views.x1_inv, views.x2_inv) > different).all()
    assert (apart(views.x1_equi, views.x2_equi) > different).all()
    again = care_views(SIMCLR, batch, chunks, generator=generator(seed))
    assert all(map(torch.equal, views, again))
    other_rank = care_views(SIMCLR, batch, chunks, generator=generator(seed + 1))
    assert all((apart(*pair) > different).all() for pair in zip(views, other_rank, strict=True))


@pytest.mark.parametrize("num_chunks", [3, 8])
def test_chunks_must_divide(num_chunks):
    with pytest.raises(ValueError, match=f"4 images does not divide into num_chunks={num_chunks}"):
        augment_chunks(HorizontalFlip(), images(4), num_chunks)


def of_all_ranks(draw, batch, world_size, seed):
    """What each rank draws of its share, with generators in one state, put together again."""
    shares = batch.chunk(world_size)
    drawn = [
        draw(share, generator=generator(seed), rank=rank, world_size=world_size)
        for rank, share in enumerate(shares)
    ]
    return [torch.cat(views) for views in zip(*drawn, strict=True)]


@given(
    share=st.integers(1, 3),
    world_size=st.integers(1, 4),
    data=st.data(),
    seed=st.integers(0, 2**31),
)
def test_shares_of_a_batch_are_augmented_as_the_batch_is(share, world_size, data, seed):
    n = share * world_size
    # Chunks may be larger than a share, and reach over it.
    divisors = [c for c in range(1, n + 1) if n % c == 0]
    chunks = data.draw(st.sampled_from(divisors))
    batch = images(n)
    for draw in (
        lambda x, **options: care_views(SIMCLR, x, chunks, **options),
        lambda x, **options: two_views(SIMCLR, x, **options),
    ):
        whole = draw(batch, generator=generator(seed))
        for view, expected in zip(of_all_ranks(draw, batch, world_size, seed), whole, strict=True):
            assert apart(view, expected).max() <= rounding(view)


def test_parameters_are_those_of_the_whole_batch():
    batch = images(6)
    _, expected = augment_chunks(SIMCLR, batch, 2, generator=generator())
    for rank in range(3):
        share = batch.chunk(3)[rank]
        _, parameters = augment_chunks(
            SIMCLR, share, 2, generator=generator(), rank=rank, world_size=3
        )
        assert len(parameters) == 2
        assert torch.equal(parameters.steps[0].area, expected.steps[0].area)


@given(chunks=st.integers(2, 3), size=st.integers(2, 3), seed=st.integers(0, 2**31))
def test_two_views_are_independent_and_shared_as_asked(chunks, size, seed):
    batch = images(1).expand(chunks * size, -1, -1, -1)
    for asked in (chunks, None):
        first, second = two_views(SIMCLR, batch, asked, generator=generator(seed))
        assert_shared(first, asked or len(batch))
        assert_shared(second, asked or len(batch))
        assert (apart(first, second) > 100 * rounding(first)).all()


def test_errors_name_the_whole_batch_and_the_rank():
    with pytest.raises(ValueError, match="a batch of 8 images does not divide into num_chunks=3"):
        augment_chunks(HorizontalFlip(), images(4), 3, rank=1, world_size=2)
    with pytest.raises(ValueError, match="got 2 of world_size=2"):
        care_views(HorizontalFlip(), images(4), 2, rank=2, world_size=2)
