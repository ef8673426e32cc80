"""Streamed moments equal those of all points at once, whoever held them and whenever they came."""

import copy
import io

import hypothesis.strategies as st
import pytest
import torch
import torch.distributed as dist
from hypothesis import given

from equiform import EuclideanForm, HermitianForm, SpecialOrthogonal, SymplecticForm
from equiform.groups import Moments
from equiform.steering import StreamingIsometry
from equiform.testing import matrices
from tests.distributed.ranks import on_ranks

GROUP = SpecialOrthogonal(3)


def points(n, d=3, dtype=torch.float64):
    return torch.randn(2, n, d, dtype=dtype).unbind()


def assert_same(moments, expected):
    for x, y in zip(moments.parts, expected.parts, strict=True):
        torch.testing.assert_close(x, y)


@given(
    data=st.data(),
    sizes=st.lists(st.integers(1, 5), min_size=1, max_size=4),
    decay=st.sampled_from([1.0, 0.9, 0.3]),
    sesquilinear=st.booleans(),
    weighted=st.booleans(),
)
def test_a_stream_is_one_set_of_weighted_points(data, sizes, decay, sesquilinear, weighted):
    group = HermitianForm().isometry_group(3) if sesquilinear else GROUP
    streaming = StreamingIsometry(group, decay=decay)
    n = sum(sizes)
    b, a = (data.draw(matrices(n, 3, sesquilinear=sesquilinear)) for _ in range(2))
    w = torch.linspace(0.5, 2, n, dtype=torch.float64) if weighted else None
    start = 0
    for size in sizes:
        own = slice(start, start + size)
        streaming.update("a", b[own], a[own], None if w is None else w[own])
        start += size
    age = torch.arange(len(sizes)).flip(0).repeat_interleave(torch.tensor(sizes))
    effective = decay ** age.double() * (1 if w is None else w)
    scaled_b, scaled_a = (x * effective.sqrt()[:, None] for x in (b, a))
    moments = streaming["a"]
    torch.testing.assert_close(moments.source, scaled_b.mH @ scaled_b)
    torch.testing.assert_close(moments.cross, scaled_b.mH @ scaled_a)
    torch.testing.assert_close(moments.target, scaled_a.mH @ scaled_a)
    torch.testing.assert_close(moments.weight, effective.sum())


def test_keys_do_not_touch_each_other():
    streaming = StreamingIsometry(GROUP, decay=0.5)
    (b, a), (c, d) = points(4), points(1)
    streaming.update("late", b, a)
    streaming.update("", c, d)
    streaming.update("", c, d)
    assert_same(streaming["late"], Moments.of(b, a))
    assert_same(streaming[""], Moments.of(c, d) * 1.5)
    assert list(streaming.keys()) == ["late", ""]
    assert len(streaming) == 2
    assert "late" in streaming
    assert "x" not in streaming
    stacked = streaming.moments(["", "late"])
    assert stacked.source.shape == (2, 3, 3)
    assert_same(stacked.map(lambda x: x[0]), streaming[""])
    assert_same(streaming.moments().map(lambda x: x[0]), streaming["late"])


@pytest.mark.parametrize("anchor", [0.0, 0.1])
def test_recovery_is_that_of_the_points(anchor, dtype):
    t = GROUP.sample(dtype=dtype)
    streaming = StreamingIsometry(GROUP)
    b = torch.randn(3, 9, dtype=dtype).mT
    a = b @ t.mT + 0.1 * torch.randn(9, 3, dtype=dtype)
    streaming.update("a", b[:2].requires_grad_(), a[:2])
    streaming.update("a", b[2:], a[2:])
    fit, expected = streaming.recover("a", anchor=anchor), GROUP.recover(b, a, anchor=anchor)
    assert not fit.matrix.requires_grad
    torch.testing.assert_close(fit.matrix.to(dtype), expected.matrix.detach())
    torch.testing.assert_close(fit.residual.to(dtype), expected.residual.detach())
    assert fit.identifiable
    many = GROUP.recover_moments(streaming.moments(), anchor=anchor)
    torch.testing.assert_close(many.matrix[0], fit.matrix)


def test_decay_follows_an_isometry_that_drifts():
    old, new = GROUP.sample(2, dtype=torch.float64)
    remembering, forgetting = StreamingIsometry(GROUP), StreamingIsometry(GROUP, decay=0.1)
    for t in [old] * 8 + [new] * 8:
        b = torch.randn(20, 3, dtype=torch.float64)
        remembering.update("a", b, b @ t.mT)
        forgetting.update("a", b, b @ t.mT)
    torch.testing.assert_close(forgetting.recover("a").matrix, new, rtol=0, atol=1e-6)
    assert (remembering.recover("a").matrix - new).norm() > 0.1
    assert float(forgetting["a"].weight) == pytest.approx(20 / (1 - 0.1))  # the limit


def test_state_survives_a_strict_load_into_a_fresh_module():
    streaming = StreamingIsometry(GROUP, decay=0.9)
    for key in ("blur", "turn 90°", "a.b"):
        streaming.update(key, *points(5))
    buffer = io.BytesIO()
    torch.save(torch.nn.Sequential(streaming).state_dict(), buffer)
    buffer.seek(0)
    fresh = torch.nn.Sequential(StreamingIsometry(GROUP, decay=0.9))
    fresh[0].update("forgotten", *points(5))
    fresh.load_state_dict(torch.load(buffer, weights_only=True), strict=True)
    assert list(fresh[0].keys()) == list(streaming.keys())
    assert_same(fresh[0].moments(), streaming.moments())
    batch = points(2)
    for module in (fresh[0], streaming):
        module.update("a.b", *batch)
    assert_same(fresh[0].moments(), streaming.moments())
    with pytest.raises(ValueError, match=r"'blur'.*d=4"):
        StreamingIsometry(SpecialOrthogonal(4)).load_state_dict(streaming.state_dict())


def test_a_saved_state_and_a_copy_are_not_written_to_later():
    streaming = StreamingIsometry(GROUP)
    streaming.update("a", *points(5))
    saved, twin, before = (
        streaming.state_dict(),
        copy.deepcopy(streaming),
        streaming["a"].map(torch.clone),
    )
    streaming.update("a", *points(5))
    streaming.load_state_dict(saved)
    assert_same(streaming["a"], before)
    assert_same(twin["a"], before)


def test_casts_keep_the_precision_and_moves_move():
    streaming = StreamingIsometry(GROUP)
    streaming.update("a", *points(5))
    before = streaming["a"]
    assert_same(streaming.half().float().bfloat16()["a"], before)
    assert streaming["a"].source.dtype == torch.float64
    streaming.to("meta")
    assert {x.device.type for x in streaming["a"].parts} == {"meta"}
    streaming.update("b", *points(5))
    assert streaming["b"].source.device.type == "meta"


def test_alone_all_reduce_is_a_copy():
    streaming = StreamingIsometry(GROUP, decay=0.5)
    streaming.update("a", *points(5))
    total = streaming.all_reduce()
    assert_same(total["a"], streaming["a"])
    total.update("b", *points(5))
    assert list(streaming.keys()) == ["a"]
    assert total.decay == 0.5


#: What each rank sees, in its own order: "shared" everywhere, one key alone, nothing on the last.
SEEN = [["shared", "z", "shared"], ["a", "shared"], []]


def of_rank(rank, group):
    generator = torch.Generator().manual_seed(rank)
    dtype = torch.complex128 if group.form.sesquilinear else torch.float64
    return [
        (key, *torch.randn(2, 4 + rank, group.dim, generator=generator, dtype=dtype).unbind())
        for key in SEEN[rank]
    ]


def check_all_reduce(rank, size):
    for group in (SymplecticForm().isometry_group(4), HermitianForm().isometry_group(3)):
        streaming = StreamingIsometry(group)
        for key, source, target in of_rank(rank, group):
            streaming.update(key, source, target)
        own = dict(streaming._moments)
        first, second = streaming.all_reduce(), streaming.all_reduce()
        assert streaming._moments == own
        alone = StreamingIsometry(group)
        for other in range(size):
            for key, source, target in of_rank(other, group):
                alone.update(key, source, target)
        for total in (first, second):
            assert list(total.keys()) == sorted(alone.keys())
            for key in total.keys() | alone.keys():
                assert_same(total[key], alone[key])
        assert len(StreamingIsometry(group).all_reduce()) == 0
    return dist.get_rank()


def test_ranks_with_different_keys_agree_on_the_sum(tmp_path):
    assert on_ranks(len(SEEN), check_all_reduce, tmp_path) == list(range(len(SEEN)))


def test_errors_name_the_remedy():
    streaming = StreamingIsometry(GROUP)
    with pytest.raises(ValueError, match="decay must be positive and finite, got 0"):
        StreamingIsometry(GROUP, decay=0)
    with pytest.raises(ValueError, match=r"decay must be in \(0, 1\], got 1\.5"):
        StreamingIsometry(GROUP, decay=1.5)
    with pytest.raises(TypeError, match=r"group .* use EuclideanForm\(\)\.isometry_group\(d\)"):
        StreamingIsometry(EuclideanForm())
    with pytest.raises(TypeError, match=r"target must be a tensor .* got list"):
        streaming.update("a", torch.ones(1, 3), [[1.0, 2.0, 3.0]])
    with pytest.raises(TypeError, match=r"key must be a str, got int; use str\(key\)"):
        streaming.update(3, *points(2))
    with pytest.raises(ValueError, match=r"\(n, 3\), got \(2, 4\)"):
        streaming.update("a", *points(2, d=4))
    with pytest.raises(ValueError, match=r"\(n, d\), got \(2, 5, 3\)"):
        streaming.update("a", torch.ones(2, 5, 3), torch.ones(2, 5, 3))
    with pytest.raises(ValueError, match="one shape"):
        streaming.update("a", torch.ones(2, 3), torch.ones(3, 3))
    with pytest.raises(ValueError, match="weights"):
        streaming.update("a", *points(2), torch.ones(3))
    with pytest.raises(TypeError, match="HermitianForm"):
        streaming.update("a", *points(2, dtype=torch.complex64))
    with pytest.raises(TypeError, match="complex"):
        StreamingIsometry(HermitianForm().isometry_group(3)).update("a", *points(2))
    with pytest.raises(KeyError, match="'a' has had no update"):
        streaming.recover("a")
    with pytest.raises(ValueError, match="no keys"):
        streaming.moments()
    assert len(streaming) == 0
    assert repr(StreamingIsometry(EuclideanForm().isometry_group(2))).count("0 keys") == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [("source", torch.nan), ("target", torch.inf), ("weights", torch.nan), ("source", 1e200)],
)
def test_what_is_not_finite_is_refused_and_ruins_nothing(name, value):
    streaming = StreamingIsometry(GROUP)
    b, a = points(5)
    streaming.update("a", b, a)
    before = [x.clone() for x in streaming["a"].parts]
    given = {"source": b.clone(), "target": a.clone(), "weights": torch.ones(len(b)).to(b.real)}
    given[name].view(-1)[0] = value
    for key in ("a", "b"):
        with pytest.raises(ValueError, match=name):
            streaming.update(key, **given)
    assert list(streaming.keys()) == ["a"]
    for x, y in zip(streaming["a"].parts, before, strict=True):
        assert torch.equal(x, y)
