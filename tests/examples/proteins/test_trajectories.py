import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from equiform.augment import CloudBatch
from equiform.data import ProteinDataset
from proteins.trajectories import project_to_plane, trace, trace_chains, turns


@given(st.integers(0, 2**32 - 1))
def test_a_path_is_the_same_whatever_the_basis_of_its_space(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    # Orthonormal columns, orthogonal to the constant, times what is well apart: centred, with
    # singular values 4, 2, 1.
    columns = torch.cat([torch.ones(9, 1), torch.randn(9, 3, generator=generator)], 1).double()
    z = torch.linalg.qr(columns).Q[:, 1:] * torch.tensor([4.0, 2.0, 1.0])
    basis = torch.linalg.qr(torch.randn(3, 3, generator=generator).double()).Q
    plane = project_to_plane(z)
    torch.testing.assert_close(plane.abs(), z[:, :2].abs(), atol=1e-12, rtol=0)
    torch.testing.assert_close(project_to_plane(z @ basis + 1), plane, atol=1e-12, rtol=0)
    assert (plane[0] >= 0).all()


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

    def first_point(batch: CloudBatch) -> tuple[torch.Tensor]:
        return (batch.pos[batch.ptr[:-1]],)

    torch.testing.assert_close(trace(first_point, cloud, rotations), rotations @ cloud[0])


def test_the_plane_keeps_planar_paths(generator: torch.Generator) -> None:
    path = torch.randn(3, 7, 2, generator=generator, dtype=torch.float64)
    frame = torch.linalg.qr(torch.randn(5, 2, generator=generator, dtype=torch.float64)).Q
    planar = project_to_plane(path @ frame.mT + 3.0).flatten(0, 1)
    torch.testing.assert_close(torch.pdist(planar), torch.pdist(path.flatten(0, 1)))


def test_trajectories_of_chains_are_closed_and_planar() -> None:
    def first_point(batch: CloudBatch) -> tuple[torch.Tensor]:
        return (batch.pos[batch.ptr[:-1]],)

    chains = ProteinDataset.synthetic(4, min_residues=30, max_residues=40)
    paths = trace_chains(first_point, chains)
    assert paths.shape == (3, 3, 73, 2)
    torch.testing.assert_close(paths[:, :, 0], paths[:, :, -1], atol=1e-5, rtol=0)
    # A point that turns about an axis keeps its distance from it.
    points = torch.stack([chain.pos[0] for chain in chains][:3]).square()
    once = paths[:, :, :-1] - paths[:, :, :-1].mean(2, keepdim=True)
    torch.testing.assert_close(
        once.square().sum(-1),
        (points.sum(-1, keepdim=True) - points).unsqueeze(-1).expand(3, 3, 72),
    )
