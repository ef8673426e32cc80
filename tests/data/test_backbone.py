"""Synthetic backbones have the local geometry of proteins, avoid themselves and have an axis."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from equiform.data import synthetic_backbones
from equiform.data.backbone import (
    ALPHA,
    BETA,
    C_N,
    C_N_CA,
    CA_C,
    CA_C_N,
    MIN_CALPHA_DISTANCE,
    N_CA,
    N_CA_C,
    place_atom,
)


def draw(count, seed=0, **lengths):
    return synthetic_backbones(count, generator=torch.Generator().manual_seed(seed), **lengths)


@pytest.fixture(scope="module")
def backbones():
    return draw(100)


def bond_angle(a, b, c):
    u, v = a - b, c - b
    cosine = (u * v).sum(-1) / (u.norm(dim=-1) * v.norm(dim=-1))
    return torch.rad2deg(torch.arccos(cosine))


def dihedral(a, b, c, d):
    """Torsion a-b-c-d in degrees, by the formula of IUPAC, not by that of place_atom."""
    b1, b2, b3 = b - a, c - b, d - c
    n1, n2 = torch.linalg.cross(b1, b2), torch.linalg.cross(b2, b3)
    y = (b2.norm(dim=-1, keepdim=True) * b1 * n2).sum(-1)
    return torch.rad2deg(torch.atan2(y, (n1 * n2).sum(-1)))


@given(seed=st.integers(0, 2**31), angle=st.floats(20, 160), torsion=st.floats(-179, 179))
def test_place_atom(seed, angle, torsion):
    a, b, c = torch.randn(3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    d = place_atom(a, b, c, bond=1.5, angle=angle, torsion=torch.tensor(torsion).double())
    close = {"atol": 1e-4, "rtol": 0.0, "check_dtype": False}
    torch.testing.assert_close((d - c).norm(), torch.tensor(1.5), **close)
    torch.testing.assert_close(bond_angle(b, c, d), torch.tensor(angle), **close)
    torch.testing.assert_close(dihedral(a, b, c, d), torch.tensor(torsion), **close)


def test_bonds_and_angles(backbones):
    for atoms in backbones:
        n, ca, c = atoms.unbind(dim=1)
        for length, value in (
            ((ca - n).norm(dim=1), N_CA),
            ((c - ca).norm(dim=1), CA_C),
            ((n[1:] - c[:-1]).norm(dim=1), C_N),
            (bond_angle(n, ca, c), N_CA_C),
            (bond_angle(ca[:-1], c[:-1], n[1:]), CA_C_N),
            (bond_angle(c[:-1], n[1:], ca[1:]), C_N_CA),
        ):
            torch.testing.assert_close(length, torch.full_like(length, value))
        omega = dihedral(ca[:-1], c[:-1], n[1:], ca[1:])
        assert (omega.abs() > 160).all()
        assert ((ca[1:] - ca[:-1]).norm(dim=1) - 3.8).abs().max() < 0.05


def test_no_clash(backbones):
    for atoms in backbones:
        residue = torch.arange(len(atoms))
        apart = (residue[:, None] - residue).abs() > 2
        distances = torch.cdist(atoms[:, 1], atoms[:, 1])
        assert distances[apart].min() > MIN_CALPHA_DISTANCE - 1e-9


@pytest.mark.parametrize(
    ("basin", "low", "high"), [(ALPHA, 4.6, 5.6), (BETA, 9.2, 10.9)], ids=["alpha", "beta"]
)
def test_helices_and_strands(backbones, basin, low, high):
    """Torsions stay in a basin, and three residues in one advance as helix or strand does."""
    inside, distances = [], []
    for atoms in backbones:
        n, ca, c = atoms.unbind(dim=1)
        phi = dihedral(c[:-2], n[1:-1], ca[1:-1], c[1:-1])
        psi = dihedral(n[1:-1], ca[1:-1], c[1:-1], n[2:])
        inside.append(((phi - basin.phi).abs() < 30) & ((psi - basin.psi).abs() < 30))
        # Residues i to i + 3 about the torsions of i + 1 and i + 2 alone.
        distances.append((ca[3:] - ca[:-3]).norm(dim=1)[inside[-1][:-1] & inside[-1][1:]])
    share = torch.cat(inside).float().mean()
    stays = torch.cat([part[1:][part[:-1]] for part in inside]).float().mean()
    assert share > 0.15
    assert stays > share + 0.2
    assert low < torch.cat(distances).median() < high


def test_axis_and_compactness(backbones):
    ratios, radii = [], []
    for atoms in draw(200, seed=1):
        centred = atoms[:, 1] - atoms[:, 1].mean(dim=0)
        variances = torch.linalg.eigvalsh(centred.mT @ centred / len(centred))
        ratios.append(variances[2] / variances[1])
        radii.append(variances.sum().sqrt() / len(atoms) ** 0.4)
    assert (torch.stack(ratios) > 1.1).float().mean() > 0.97
    assert torch.stack(radii).median() < 3.2  # real chains: 2.1


def test_lengths_and_seeds():
    assert {len(atoms) for atoms in draw(60, min_residues=2, max_residues=4)} == {2, 3, 4}
    for a, b in zip(draw(5, seed=1), draw(5, seed=1), strict=True):
        assert a.shape == (len(a), 3, 3)
        assert a.dtype == torch.float64
        torch.testing.assert_close(a, b, atol=0, rtol=0)
    assert not torch.equal(draw(1, seed=1)[0][:60], draw(1, seed=2)[0][:60])


@pytest.mark.parametrize(
    ("count", "lengths", "match"),
    [
        (0, {}, "count must be at least 1, got 0"),
        (1, {"min_residues": 1}, "got 1 and 150"),
        (1, {"min_residues": 9, "max_residues": 8}, "got 9 and 8"),
    ],
)
def test_arguments(count, lengths, match):
    with pytest.raises(ValueError, match=match):
        synthetic_backbones(count, **lengths)
