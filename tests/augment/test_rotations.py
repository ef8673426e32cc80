"""Rotations are Haar on SO(d), and one is shared by a chunk and by no other."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from equiform.augment import random_rotations, reorient, rotate_chunks, tilt

pyg = pytest.importorskip("torch_geometric.data")


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def batch_of_clouds(sizes, seed=0):
    draw = generator(seed)
    return pyg.Batch.from_data_list(
        [
            pyg.Data(pos=torch.randn(n, 3, generator=draw, dtype=torch.float64), name=str(n))
            for n in sizes
        ]
    )


@given(
    d=st.integers(1, 8), seed=st.integers(0, 2**31), batch=st.lists(st.integers(0, 3), max_size=2)
)
def test_special_orthogonal(d, seed, batch):
    r = random_rotations(*batch, d=d, generator=generator(seed), dtype=torch.float64)
    assert r.shape == (*batch, d, d)
    torch.testing.assert_close(r.mT @ r, torch.eye(d, dtype=r.dtype).expand_as(r))
    torch.testing.assert_close(torch.linalg.det(r), torch.ones(batch, dtype=r.dtype))


@pytest.mark.parametrize("d", [2, 3, 4])
def test_haar_moments(d):
    """Moments that Schur orthogonality gives, and that shift if a sign is not fixed."""
    n = 40_000
    r = random_rotations(n, d=d, generator=generator(), dtype=torch.float64)
    tolerance = 5 / n**0.5
    second = torch.einsum("nij,nkl->ijkl", r, r) / n
    eye = torch.eye(d, dtype=r.dtype)
    expected = torch.einsum("ik,jl->ijkl", eye, eye) / d
    if d > 2:  # the plane's rotations commute: their second moments have a further term
        torch.testing.assert_close(second, expected, atol=tolerance, rtol=0)
    torch.testing.assert_close(r.mean(dim=0), torch.zeros_like(eye), atol=tolerance, rtol=0)
    # E (tr R)^k counts the invariants of the k-fold tensor power of the vector representation.
    trace = r.diagonal(dim1=-2, dim2=-1).sum(-1)
    moments = {2: (0, 2, 0, 6), 3: (0, 1, 1, 3), 4: (0, 1, 0, 4)}[d]
    for k, moment in enumerate(moments, start=1):
        assert float((trace**k).mean()) == pytest.approx(moment, abs=40 / n**0.5)


def test_left_invariance():
    """A Haar sample turned by a fixed rotation has the same distribution (Kolmogorov-Smirnov)."""
    n = 20_000
    fixed = random_rotations(generator=generator(1), dtype=torch.float64)
    a = random_rotations(n, generator=generator(2), dtype=torch.float64)
    b = fixed @ random_rotations(n, generator=generator(3), dtype=torch.float64)
    for i in range(3):
        # By Archimedes an entry of a Haar rotation in space is uniform on [-1, 1].
        for sample in (a[:, i, 0], b[:, i, 0]):
            uniform = torch.linspace(-1, 1, n, dtype=torch.float64)
            assert float((sample.sort().values - uniform).abs().max()) < 0.04


def test_generator_dtype_and_arguments():
    assert torch.equal(
        random_rotations(3, generator=generator(5)), random_rotations(3, generator=generator(5))
    )
    assert not torch.equal(
        random_rotations(3, generator=generator(5)), random_rotations(3, generator=generator(6))
    )
    assert random_rotations().shape == (3, 3)
    assert random_rotations().dtype == torch.float32
    assert random_rotations(2, dtype=torch.bfloat16).dtype == torch.bfloat16
    with pytest.raises(ValueError, match="d must be at least 1, got d=0"):
        random_rotations(d=0)
    with pytest.raises(ValueError, match=r"real and floating, got torch.complex64"):
        random_rotations(dtype=torch.complex64)
    with pytest.raises(ValueError, match=r"real and floating, got 'float32'; use torch.float32"):
        random_rotations(dtype="float32")


@given(
    chunks=st.integers(1, 4),
    clouds=st.integers(1, 3),
    seed=st.integers(0, 2**31),
    data=st.data(),
)
def test_one_rotation_a_chunk(chunks, clouds, seed, data):
    sizes = data.draw(
        st.lists(st.integers(1, 7), min_size=chunks * clouds, max_size=chunks * clouds)
    )
    batch = batch_of_clouds(sizes, seed)
    before = batch.clone()
    rotated, rotations = rotate_chunks(batch, chunks, generator=generator(seed))
    assert rotations.shape == (chunks, 3, 3)
    for i in range(len(sizes)):
        expected = before[i].pos @ rotations[i // clouds].mT
        torch.testing.assert_close(rotated[i].pos, expected)
        assert rotated[i].name == before[i].name
    assert torch.equal(batch.pos, before.pos)
    assert rotated.pos.data_ptr() != batch.pos.data_ptr()
    again, _ = rotate_chunks(batch, chunks, generator=generator(seed))
    assert torch.equal(again.pos, rotated.pos)
    # Rounding moves a rotation by 1e-15; two draws are nowhere near each other.
    assert (torch.pdist(rotations.flatten(1)) > 1e-9).all()


@pytest.mark.parametrize("num_chunks", [3, 8])
def test_chunks_must_divide(num_chunks):
    with pytest.raises(ValueError, match=f"4 clouds does not divide into num_chunks={num_chunks}"):
        rotate_chunks(batch_of_clouds([2, 3, 4, 5]), num_chunks)


@pytest.mark.parametrize(
    ("batch", "match"),
    [
        (
            pyg.Batch.from_data_list([pyg.Data(x=torch.ones(2, 1))]),
            "a tensor pos, got DataBatch",
        ),
        (pyg.Data(pos=torch.ones(2, 3)), r"a tensor ptr, got Data without; use Batch\.from"),
        ([pyg.Data(pos=torch.ones(2, 3))], "a tensor pos, got list"),
        (pyg.Batch(pos=torch.ones(2, 3).long(), ptr=torch.tensor([0, 2])), "pos must be floating"),
    ],
)
def test_what_is_no_batch_of_clouds_is_refused_by_the_function_that_was_called(batch, match):
    calls = {"rotate_chunks": (rotate_chunks, 1), "reorient": (reorient,), "tilt": (tilt, 10.0)}
    for name, (function, *options) in calls.items():
        whose = "" if match.startswith("pos") else f"{name} needs a batch with "
        with pytest.raises(TypeError, match=whose + match):
            function(batch, *options)


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda x: rotate_chunks(x, 2.0), TypeError, "num_chunks must be an int, got 2.0"),
        (lambda x: rotate_chunks(x, None), TypeError, "num_chunks must be an int, got None"),
        (lambda x: rotate_chunks(x, 0), ValueError, "num_chunks must be at least 1"),
        (lambda x: rotate_chunks(x, 2, generator=0), TypeError, "generator must be a torch.Gen"),
        (lambda x: reorient(x, generator=0), TypeError, "generator must be a torch.Generator"),
        (lambda x: tilt(x, 10.0, generator=0), TypeError, "generator must be .*, got 0"),
        (lambda x: tilt(x, "10"), TypeError, "max_degrees must be a number"),
        (lambda _: random_rotations(d=3.0), TypeError, "d must be an int"),
        (lambda _: random_rotations(2.5), TypeError, "batch must be an int, got 2.5"),
        (lambda _: random_rotations(generator=1), TypeError, "generator must be a torch.Generator"),
    ],
)
def test_options_are_checked(call, error, match):
    with pytest.raises(error, match=match):
        call(batch_of_clouds([2, 3, 4, 5]))


SIZES = (5, 9, 7, 6)


def fitted_rotations(before, after):
    """The linear map of each cloud, by least squares: rows transform as ``x @ r.mT``."""
    pairs = zip(before.pos.split(SIZES), after.pos.split(SIZES), strict=True)
    return torch.stack([torch.linalg.lstsq(a, b).solution.mT for a, b in pairs])


def test_tilts_are_rotations_of_at_most_the_angle():
    batch = batch_of_clouds(SIZES)
    before = batch.pos.clone()
    maps = fitted_rotations(batch, tilt(batch, 20.0, generator=generator()))
    torch.testing.assert_close(maps @ maps.mT, torch.eye(3).expand_as(maps).double())
    cosines = (maps.diagonal(dim1=-2, dim2=-1).sum(-1) - 1) / 2
    assert (torch.linalg.det(maps) > 0).all()
    assert (cosines > math.cos(math.radians(20.5))).all()
    assert cosines.std() > 0
    assert torch.equal(batch.pos, before)


def test_reorienting_turns_each_cloud_by_its_own_rotation():
    batch = batch_of_clouds(SIZES)
    maps = fitted_rotations(batch, reorient(batch, generator=generator()))
    apart = torch.linalg.matrix_norm(maps[:, None] - maps)
    assert apart[~torch.eye(len(SIZES), dtype=torch.bool)].min() > 0.1


@pytest.mark.parametrize("angle", [0.0, -1.0, 181.0])
def test_tilt_checks_the_angle(angle):
    with pytest.raises(ValueError, match="max_degrees must be"):
        tilt(batch_of_clouds(SIZES), angle)


def test_tilt_needs_points():
    with pytest.raises(ValueError, match=r"tilt needs batch\.pos of shape \(N, 3\), got \(2, 4\)"):
        tilt(pyg.Batch(pos=torch.ones(2, 4), ptr=torch.tensor([0, 2])), 10.0)


CALLS = {
    "rotate_chunks": lambda x: rotate_chunks(x, 2, generator=generator())[0],
    "reorient": lambda x: reorient(x, generator=generator()),
    "tilt": lambda x: tilt(x, 20.0, generator=generator()),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_autocast_changes_nothing(name, dtype):
    batch = batch_of_clouds(SIZES[:4])
    batch.pos = batch.pos.to(dtype)
    expected = CALLS[name](batch).pos
    with torch.autocast("cpu", dtype=torch.bfloat16):
        pos = CALLS[name](batch).pos
        rotations = random_rotations(3, generator=generator(), dtype=dtype)
    assert pos.dtype == expected.dtype == dtype
    assert torch.equal(pos, expected)  # one and the same computation twice
    assert torch.equal(rotations, random_rotations(3, generator=generator(), dtype=dtype))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_rounded_once(dtype):
    batch = batch_of_clouds(SIZES[:4])
    batch.pos = batch.pos.to(dtype)
    rotated, rotations = rotate_chunks(batch, 1, generator=generator())
    expected = batch.pos.double() @ rotations[0].double().mT
    # Half a unit in the last place, and the rounding of float32 before.
    torch.testing.assert_close(
        rotated.pos.double(), expected, rtol=0.51 * torch.finfo(dtype).eps, atol=1e-6
    )


def test_nan_stays_in_its_point():
    batch = batch_of_clouds(SIZES)
    batch.pos[4, 1] = torch.nan
    for call in CALLS.values():
        bad = call(batch).pos.isnan()
        assert bad[4].all()
        assert bad.sum() == 3


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize(
    ("changes", "error", "match"),
    [
        (
            {"ptr": torch.tensor([1, 3, 5])},
            ValueError,
            r"ptr must be .* points, 5, got \[1, 3, 5\]",
        ),
        ({"ptr": torch.tensor([0, 3, 7])}, ValueError, r"ptr must be .* points, 5, got"),
        ({"ptr": torch.tensor([0, 4, 2, 3, 5])}, ValueError, "ptr must be .* upward"),
        ({"ptr": torch.tensor([0.0, 5.0])}, TypeError, "ptr must be an int64 tensor"),
        ({"ptr": torch.tensor(5)}, ValueError, r"ptr must be .* got shape \(\)"),
        ({"pos": torch.ones(5, 3).cfloat()}, TypeError, "pos must be real"),
    ],
)
def test_where_clouds_begin_must_be_said_right(name, changes, error, match):
    batch = pyg.Batch(pos=torch.ones(5, 3), ptr=torch.tensor([0, 2, 5]))
    for key, value in changes.items():
        batch[key] = value
    with pytest.raises(error, match=match):
        CALLS[name](batch)


@pytest.mark.parametrize("dtype", ["float32", torch.ones(3), 3])
def test_the_dtype_must_be_one(dtype):
    with pytest.raises(ValueError, match="dtype must be real and floating, got"):
        random_rotations(dtype=dtype)
