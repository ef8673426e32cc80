import math

import pytest
import torch

from equiform.augment import random_rotations, reorient, tilt
from equiform.training import (
    Clouds,
    principal_axes,
    project_to_plane,
    trace,
    turns,
)

SIZES = (5, 9, 7, 6)


@pytest.fixture
def batch(generator: torch.Generator) -> Clouds:
    return Clouds.of(torch.randn(size, 3, generator=generator) for size in SIZES)


def fitted_rotations(before: Clouds, after: Clouds) -> torch.Tensor:
    """The linear map of each cloud, by least squares: rows transform as ``x @ r.mT``."""
    pairs = zip(before.pos.split(SIZES), after.pos.split(SIZES), strict=True)
    return torch.stack([torch.linalg.lstsq(a, b).solution.mT for a, b in pairs])


def test_tilts_are_rotations_of_at_most_the_angle(
    batch: Clouds, generator: torch.Generator
) -> None:
    before = batch.pos.clone()
    maps = fitted_rotations(batch, tilt(batch, 20.0, generator=generator))
    torch.testing.assert_close(maps @ maps.mT, torch.eye(3).expand(4, 3, 3), atol=1e-4, rtol=0)
    cosines = (maps.diagonal(dim1=-2, dim2=-1).sum(-1) - 1) / 2
    assert (torch.linalg.det(maps) > 0).all()
    assert (cosines > math.cos(math.radians(20.5))).all()
    assert cosines.std() > 0
    assert torch.equal(batch.pos, before)


def test_reorienting_turns_each_cloud_by_its_own_rotation(
    batch: Clouds, generator: torch.Generator
) -> None:
    maps = fitted_rotations(batch, reorient(batch, generator=generator))
    assert (
        torch.linalg.matrix_norm(maps[:, None] - maps + 10 * torch.eye(4)[..., None, None]).min()
        > 0.1
    )


@pytest.mark.parametrize("angle", [0.0, -1.0, 181.0])
def test_tilt_checks_the_angle(batch: Clouds, angle: float) -> None:
    with pytest.raises(ValueError, match="max_degrees must be in"):
        tilt(batch, angle)


def test_tilt_and_principal_axes_need_points() -> None:
    empty = Clouds(None, torch.tensor([0]))
    with pytest.raises(ValueError, match="tilt needs"):
        tilt(empty, 10.0)
    with pytest.raises(ValueError, match="principal_axes needs"):
        principal_axes(empty)


def test_principal_axes_turn_with_the_clouds(batch: Clouds, generator: torch.Generator) -> None:
    rotation = random_rotations(generator=generator)
    stretched = batch.pos * torch.tensor([1.0, 5.0, 1.0])
    before = Clouds(pos=stretched, ptr=batch.ptr)
    after = Clouds(pos=stretched @ rotation.mT, ptr=batch.ptr)
    cosines = (principal_axes(before) @ rotation.mT * principal_axes(after)).sum(-1).abs()
    torch.testing.assert_close(cosines, torch.ones(4))


def test_turns_go_once_around_each_axis_by_the_right_hand() -> None:
    rotations = turns(5)
    torch.testing.assert_close(rotations[:, -1], torch.eye(3).expand(3, 3, 3), atol=1e-6, rtol=0)
    # A quarter turn takes y to z about x, z to x about y and x to y about z.
    basis = torch.eye(3)
    for axis, (start, end) in enumerate([(1, 2), (2, 0), (0, 1)]):
        torch.testing.assert_close(rotations[axis, 1] @ basis[start], basis[end])
        torch.testing.assert_close(rotations[axis, 1] @ basis[axis], basis[axis])
    with pytest.raises(ValueError, match="num_angles must be at least 2, got 1"):
        turns(1)


def test_trace_embeds_the_turned_clouds(generator: torch.Generator) -> None:
    cloud = torch.randn(6, 3, generator=generator)
    rotations = turns(4)

    def first_point(batch: Clouds) -> tuple[torch.Tensor]:
        assert batch.pos is not None
        return (batch.pos[batch.ptr[:-1]],)

    torch.testing.assert_close(trace(first_point, cloud, rotations), rotations @ cloud[0])


def test_the_plane_keeps_planar_paths(generator: torch.Generator) -> None:
    path = torch.randn(3, 7, 2, generator=generator, dtype=torch.float64)
    frame = torch.linalg.qr(torch.randn(5, 2, generator=generator, dtype=torch.float64)).Q
    planar = project_to_plane(path @ frame.mT + 3.0).flatten(0, 1)
    torch.testing.assert_close(torch.pdist(planar), torch.pdist(path.flatten(0, 1)))
