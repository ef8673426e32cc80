import pytest
import torch
from torch import Tensor, nn

from equiform.augment import random_rotations
from equiform.training import fit_ridge, probe_axis, require_frozen


def rods(num_clouds: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Second moments I + 3 v vᵗ of rods in random poses, flattened, and their axes v."""
    axes = random_rotations(num_clouds, generator=generator, dtype=torch.float64)[..., 0]
    moments = torch.eye(3) + 3 * axes.unsqueeze(-1) * axes.unsqueeze(-2)
    return moments.flatten(1), axes


def test_reads_the_axis_from_an_equivariant_embedding(generator: torch.Generator) -> None:
    # Second moments are equivariant of degree 2; a fixed linear map hides their coordinates.
    mixing = torch.randn(9, 9, generator=generator, dtype=torch.float64)
    (m, axes), (test_m, test_axes) = rods(400, generator), rods(100, generator)
    error = probe_axis(m @ mixing, axes, test_m @ mixing, test_axes, penalty=1e-12)
    assert error.median_angle < 1e-4
    assert error.mse < 1e-12


def test_the_sign_of_an_axis_does_not_matter(generator: torch.Generator) -> None:
    (m, axes), (test_m, test_axes) = rods(200, generator), rods(50, generator)
    flip = torch.where(torch.rand(50, 1, generator=generator) < 0.5, -1.0, 1.0)
    m = m + torch.randn(200, 9, generator=generator)
    plain = probe_axis(m, axes, test_m, test_axes)
    flipped = probe_axis(m, -axes, test_m, test_axes * flip)
    assert plain.median_angle > 0.1
    assert flipped == pytest.approx(plain)


def test_noise_gives_chance(generator: torch.Generator) -> None:
    (_, axes), (_, test_axes) = rods(2000, generator), rods(2000, generator)
    noise, test_noise = torch.randn(2, 2000, 8, generator=generator)
    error = probe_axis(noise, axes, test_noise, test_axes)
    # Of |cos θ| of random axes, uniform in [0, 1], the median is 1/2.
    assert error.median_angle == pytest.approx(60, abs=4)
    assert error.mse == pytest.approx(2 / 3, abs=0.02)


def test_ridge_solves_its_normal_equations(generator: torch.Generator) -> None:
    z = torch.randn(30, 4, generator=generator, dtype=torch.float64)
    y = torch.randn(30, 2, generator=generator, dtype=torch.float64)
    probe = fit_ridge(z, y, penalty=0.3)
    residual = probe(z) - y
    torch.testing.assert_close(residual.mean(0), torch.zeros(2).double())
    torch.testing.assert_close(
        z.mT @ residual / 30 + 0.3 * probe.weight, torch.zeros(4, 2).double()
    )


def test_ridge_checks_its_arguments() -> None:
    with pytest.raises(ValueError, match=r"got \(3, 2\) and \(4, 1\)"):
        fit_ridge(torch.zeros(3, 2), torch.zeros(4, 1))
    with pytest.raises(ValueError, match="penalty must be positive, got 0"):
        fit_ridge(torch.zeros(3, 2), torch.zeros(3, 1), penalty=0)


def test_an_encoder_with_one_part_in_train_mode_is_not_frozen() -> None:
    encoder = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)).eval()
    require_frozen(encoder)
    encoder[1].train()
    with pytest.raises(RuntimeError, match=r"1 is in train mode; call encoder\.eval\(\)"):
        require_frozen(encoder)
