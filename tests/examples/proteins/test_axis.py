import pytest
import torch
from torch import Tensor
from torch_geometric.data import Batch, Data

from equiform.augment import random_rotations
from proteins.axis import axis_errors, principal_axes


def rods(num_clouds: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Second moments I + 3 v vᵗ of rods in random poses, flattened, and their axes v."""
    axes = random_rotations(num_clouds, generator=generator, dtype=torch.float64)[..., 0]
    moments = torch.eye(3) + 3 * axes.unsqueeze(-1) * axes.unsqueeze(-2)
    return moments.flatten(1), axes


def test_reads_the_axis_from_an_equivariant_embedding(generator: torch.Generator) -> None:
    # Second moments are equivariant of degree 2; a fixed linear map hides their coordinates.
    mixing = torch.randn(9, 9, generator=generator, dtype=torch.float64)
    (m, axes), (test_m, test_axes) = rods(400, generator), rods(100, generator)
    angles, squares = axis_errors(m @ mixing, axes, test_m @ mixing, test_axes, penalty=1e-12)
    assert angles.median() < 1e-4
    assert squares.mean() < 1e-12


def test_the_sign_of_an_axis_does_not_matter(generator: torch.Generator) -> None:
    (m, axes), (test_m, test_axes) = rods(200, generator), rods(50, generator)
    flip = torch.where(torch.rand(50, 1, generator=generator) < 0.5, -1.0, 1.0)
    m = m + torch.randn(200, 9, generator=generator)
    plain = axis_errors(m, axes, test_m, test_axes)
    flipped = axis_errors(m, -axes, test_m, test_axes * flip)
    assert plain[0].median() > 0.1
    torch.testing.assert_close(flipped, plain)


def test_noise_gives_chance(generator: torch.Generator) -> None:
    (_, axes), (_, test_axes) = rods(2000, generator), rods(2000, generator)
    noise, test_noise = torch.randn(2, 2000, 8, generator=generator)
    angles, squares = axis_errors(noise, axes, test_noise, test_axes)
    # Of |cos θ| of random axes, uniform in [0, 1], the median is 1/2.
    assert angles.median().item() == pytest.approx(60, abs=4)
    assert squares.mean().item() == pytest.approx(2 / 3, abs=0.02)


def test_principal_axes_turn_with_the_clouds(generator: torch.Generator) -> None:
    rotation = random_rotations(generator=generator)
    clouds = [torch.randn(n, 3, generator=generator) * torch.tensor([1.0, 5, 1]) for n in (5, 9, 7)]
    before = principal_axes(Batch.from_data_list([Data(pos=x) for x in clouds]))
    after = principal_axes(Batch.from_data_list([Data(pos=x @ rotation.mT) for x in clouds]))
    torch.testing.assert_close((before @ rotation.mT * after).sum(-1).abs(), torch.ones(3))
