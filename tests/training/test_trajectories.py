import torch
from hypothesis import given
from hypothesis import strategies as st

from equiform.training import project_to_plane


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
