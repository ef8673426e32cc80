"""DeepSets sees sets: no order of points, no neighbours in the batch, gradients everywhere."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch_geometric")
from torch_geometric.data import Data

from equiform.nn import DeepSets

SIZES = st.lists(st.integers(1, 9), min_size=1, max_size=5)


def clouds_of(sizes, seed=0):
    pos = torch.randn(sum(sizes), 3, generator=torch.Generator().manual_seed(seed))
    index = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    return pos.double(), index


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    return DeepSets(3, 16, 5).double()


@given(sizes=SIZES, seed=st.integers(0, 2**31))
def test_permutation_invariance(encoder, sizes, seed):
    pos, index = clouds_of(sizes, seed)
    within = [torch.randperm(n, generator=torch.Generator().manual_seed(seed)) for n in sizes]
    starts = torch.tensor([0, *sizes]).cumsum(0)
    order = torch.cat([start + p for start, p in zip(starts, within, strict=False)])
    out = encoder(pos, index)
    assert out.shape == (len(sizes), 5)
    torch.testing.assert_close(encoder(pos[order], index), out)
    # The points of different clouds may lie mixed, too, when the index says whose each is.
    mixed = torch.randperm(len(pos), generator=torch.Generator().manual_seed(seed))
    torch.testing.assert_close(encoder(pos[mixed], index[mixed]), out)


@given(sizes=SIZES, seed=st.integers(0, 2**31))
def test_clouds_are_encoded_alone(encoder, sizes, seed):
    pos, index = clouds_of(sizes, seed)
    alone = torch.cat([encoder(part) for part in pos.split(sizes)])
    torch.testing.assert_close(encoder(pos, index), alone)
    ptr = torch.tensor([0, *sizes]).cumsum(0)
    torch.testing.assert_close(encoder(pos, ptr=ptr), alone)
    assert encoder(pos, index, num_clouds=len(sizes) + 2).shape == (len(sizes) + 2, 5)


def test_number_of_points_hardly_matters(encoder):
    pos, _ = clouds_of([50])
    torch.testing.assert_close(encoder(pos), encoder(pos.repeat(10, 1)), atol=1e-4, rtol=1e-4)


def test_depends_on_orientation_and_has_gradients(encoder):
    pos, index = clouds_of([4, 5])
    assert not torch.allclose(encoder(pos, index), encoder(pos[:, [1, 2, 0]], index))
    encoder(pos, index).square().sum().backward()
    for name, parameter in encoder.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name


@pytest.mark.parametrize(
    ("sizes", "error", "match"),
    [
        ((3, 0, 2), ValueError, "hidden must be at least 1, got hidden=0"),
        ((True, 8, 2), TypeError, "in_features must be an int"),
        ((None, 8, 2), TypeError, "in_features must be an int"),
        ((3, 8, 2.5), TypeError, "out_features must be an int"),
    ],
)
def test_sizes_are_checked(sizes, error, match):
    with pytest.raises(error, match=match):
        DeepSets(*sizes)


@pytest.mark.parametrize(
    ("pos", "error", "match"),
    [
        (Data(pos=torch.ones(5, 3)), TypeError, r"pos .* got Data; use batch\.pos"),
        (torch.ones(5, 4), ValueError, r"pos must have shape \(n, 3\), got \(5, 4\)"),
        (torch.ones(3), ValueError, "pos must have shape"),
        (torch.ones(5, 3).long(), TypeError, "pos must be floating-point"),
        (torch.ones(5, 3).cfloat(), TypeError, "pos must be real"),
    ],
)
def test_what_are_no_points_is_refused(encoder, pos, error, match):
    with pytest.raises(error, match=match):
        encoder(pos)
