import pytest
import torch

from equiform.probes import fit_ridge


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
    with pytest.raises(ValueError, match=r"targets must have .*; use targets\[:, None\] for one"):
        fit_ridge(torch.zeros(3, 2), torch.zeros(3))
    z = torch.randn(3, 2)
    probe = fit_ridge(z, z)
    for bad in (z.cfloat(), z.numpy(), z.tolist(), z.long(), None):
        with pytest.raises(TypeError, match=r"^z must be"):
            fit_ridge(bad, z)  # pyright: ignore[reportArgumentType]
        with pytest.raises(TypeError, match=r"^targets must be"):
            fit_ridge(z, bad)  # pyright: ignore[reportArgumentType]
        with pytest.raises(TypeError, match=r"^z must be"):
            probe(bad)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="targets must be finite"):
        fit_ridge(z, z / 0)
    for penalty in (0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match=f"penalty must be positive and finite, got {penalty}"):
            fit_ridge(torch.zeros(3, 2), torch.zeros(3, 1), penalty=penalty)


def test_what_overflows_or_is_lost_is_named() -> None:
    z, y = torch.randn(9, 2).double(), torch.randn(9, 1).double()
    # A factor of the embeddings is one of the weights; float32 has no number that is too large.
    large = fit_ridge(z.float() * 1e30, y)
    assert large(z.float() * 1e30).isfinite().all()
    with pytest.raises(ValueError, match="products of z must be finite, and overflow"):
        fit_ridge(z * 1e200, y)
    twice = torch.cat([z, z], 1)
    with pytest.raises(ValueError, match=r"penalty must not be lost .*, got 1e-300"):
        fit_ridge(twice, y, penalty=1e-300)
    with pytest.raises(ValueError, match="penalty must not be lost"):
        fit_ridge(0 * z, y, penalty=1e-320)
    with pytest.raises(ValueError, match=r"z must have shape \(n, 2\), got \(9, 4\)"):
        fit_ridge(z, y)(twice)
    assert fit_ridge(z, y)(z * torch.nan).isnan().all()
