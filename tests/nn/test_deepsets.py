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


POS = torch.randn(5, 3, dtype=torch.float64)


def ints(*values):
    return torch.tensor(values)


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        (
            {"ptr": ints(1, 3, 5)},
            ValueError,
            r"ptr must be .* points, 5, got \[1, 3, 5\]",
        ),
        ({"ptr": ints(0, 3, 7)}, ValueError, r"ptr must be .* points, 5, got \[0, 3, 7\]"),
        ({"ptr": ints(0, 3)}, ValueError, r"ptr must be .* points, 5, got \[0, 3\]"),
        ({"ptr": ints(0, 4, 2, 5)}, ValueError, r"ptr must be .* upward"),
        ({"ptr": ints(0, 5)[None]}, ValueError, r"ptr must be .* got shape \(1, 2\)"),
        ({"ptr": torch.zeros(0, dtype=torch.long)}, ValueError, r"ptr must be .* got shape \(0,\)"),
        ({"ptr": torch.tensor([0.0, 5.0])}, TypeError, "ptr must be an int64 .* got torch.float32"),
        ({"ptr": [0, 5]}, TypeError, "ptr must be an int64 tensor .* got list"),
        ({"ptr": ints(0, 5).to("meta")}, ValueError, "ptr must be .* on cpu as .* got it on meta"),
        ({"ptr": ints(0, 5), "num_clouds": 2}, ValueError, "num_clouds=2, but ptr is of 1 clouds"),
        ({"ptr": ints(0, 5), "index": ints(0, 0, 0, 0, 0)}, ValueError, "give one of the two"),
        ({"index": ints(0, 0, 1)}, ValueError, r"index must have shape \(5,\), .* got \(3,\)"),
        ({"index": ints(0, 0, -1, 0, 0)}, ValueError, "index must be from 0 on, got .* -1 to 0"),
        (
            {"index": ints(0, 0, 2, 0, 0), "num_clouds": 2},
            ValueError,
            "index must be from 0 on and below num_clouds=2, got values from 0 to 2",
        ),
        ({"index": torch.zeros(5)}, TypeError, "index must be an int64 .* got torch.float32"),
        ({"index": [0] * 5}, TypeError, "index must be an int64 tensor .* got list"),
        ({"num_clouds": -1}, ValueError, "num_clouds must be at least 0"),
        ({"num_clouds": 1.0}, TypeError, "num_clouds must be an int"),
        ({"pos": POS.float()}, TypeError, r"pos must be torch\.float64, .* got torch\.float32"),
        ({"pos": POS.to("meta")}, ValueError, "pos must be on cpu, as the module is, got meta"),
    ],
)
def test_whose_a_point_is_must_be_said_right(encoder, options, error, match):
    with pytest.raises(error, match=match):
        encoder(**({"pos": POS} | options))


def test_nan_stays_in_its_cloud_and_clouds_may_be_empty(encoder):
    pos = POS.clone()
    pos[4, 0] = torch.nan
    ptr = ints(0, 2, 2, 3, 5)
    out = encoder(pos, ptr=ptr)
    assert out.isnan().all(1).tolist() == [False, False, False, True]
    torch.testing.assert_close(out[:3], encoder(POS, ptr=ptr)[:3])
    assert encoder(POS[:0], ptr=ints(0, 0)).shape == (1, 5)


@pytest.mark.slow
def test_it_compiles(encoder):
    compiled = torch.compile(encoder, fullgraph=True, dynamic=True, backend="aot_eager")
    torch.testing.assert_close(compiled(POS, ptr=ints(0, 2, 5)), encoder(POS, ptr=ints(0, 2, 5)))
