"""Synthetic protein backbones: chains with the local geometry of proteins, but of no protein.

Torsion angles are drawn from the basins of the Ramachandran plot with persistence along the
chain, so that helices, strands and coil alternate, and atoms are placed one by one at standard
bond lengths and angles (NeRF). Chains avoid themselves and are drawn towards their own middle, but
do not fold: the radius of gyration is about a third above that of a real protein of the same
length. Half of the residues are helical, a quarter extended.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

# Bond lengths (ångström) and angles (degrees) of Engh & Huber, Acta Cryst. A47 (1991) 392.
N_CA, CA_C, C_N = 1.458, 1.525, 1.329
N_CA_C, CA_C_N, C_N_CA = 111.2, 116.2, 121.7
OMEGA, OMEGA_SPREAD = 180.0, 3.0  # trans peptide bonds

MIN_CALPHA_DISTANCE = 3.8
"""No two C-alpha atoms more than two residues apart are closer (ångström)."""

_CANDIDATES = 6  # torsions tried for a residue before the chain steps back
_MAX_STEP_BACK = 16  # residues


class Basin(NamedTuple):
    """A populated region of the Ramachandran plot; angles are in degrees."""

    phi: float
    psi: float
    spread: float  # standard deviation of either angle
    entry: float  # how often a chain that leaves another basin enters this one
    mean_length: float  # of a run of residues in it


ALPHA = Basin(phi=-63, psi=-43, spread=6, entry=0.15, mean_length=11)
BETA = Basin(phi=-120, psi=135, spread=14, entry=0.35, mean_length=6)
POLYPROLINE = Basin(phi=-70, psi=147, spread=11, entry=0.4, mean_length=2.5)
LEFT_HANDED = Basin(phi=57, psi=43, spread=9, entry=0.1, mean_length=1.1)
BASINS = (ALPHA, BETA, POLYPROLINE, LEFT_HANDED)


def place_atom(
    a: Tensor, b: Tensor, c: Tensor, *, bond: float, angle: float, torsion: Tensor
) -> Tensor:
    r"""The atom d that makes a given bond, angle and torsion with three others (NeRF).

    With u = c - b normalised, n the normal of the plane abc and m = n × u,
    d = c + bond (-cos(angle) u + sin(angle) cos(torsion) m + sin(angle) sin(torsion) n).

    Args:
        a, b, c: (..., 3), positions, not on one line.
        bond: length of c-d, in the unit of the positions.
        angle: b-c-d, degrees.
        torsion: (...,) a-b-c-d about b-c, degrees; IUPAC sign, 0 is cis.

    Source: Parsons et al., J. Comput. Chem. 26 (2005) 1063.
    """
    u = torch.nn.functional.normalize(c - b, dim=-1)
    n = torch.nn.functional.normalize(torch.linalg.cross(b - a, u), dim=-1)
    m = torch.linalg.cross(n, u)
    theta, chi = math.radians(angle), torch.deg2rad(torsion).unsqueeze(-1)
    around = torch.cos(chi) * m + torch.sin(chi) * n
    return c + bond * (-math.cos(theta) * u + math.sin(theta) * around)


def synthetic_backbones(
    count: int,
    *,
    min_residues: int = 60,
    max_residues: int = 150,
    generator: torch.Generator | None = None,
) -> list[Tensor]:
    """Draw synthetic protein backbones, `count` tensors (n, 3, 3), float64, ångström.

    For each residue they hold the atoms N, C-alpha and C. Lengths are even on [min_residues,
    max_residues]; the state of the generator, on the CPU, decides the chains.
    """
    if count < 1:
        raise ValueError(f"count must be at least 1, got {count}")
    if not 2 <= min_residues <= max_residues:
        given = f"{min_residues} and {max_residues}"
        raise ValueError(f"need 2 <= min_residues <= max_residues, got {given}")
    lengths = torch.randint(min_residues, max_residues + 1, (count,), generator=generator)
    growth = _Growth(lengths, generator)
    while (growth.at < lengths).any():
        growth.step()
    return [atoms[:n].clone() for atoms, n in zip(growth.atoms, lengths.tolist(), strict=True)]


class _Growth:
    """Chains that grow side by side, each at its own residue.

    A step gives residue i its torsions, which places its C and the N and C-alpha of residue i + 1.
    Of a few candidates for that C-alpha which clash with none of the chain, the one nearest to the
    centroid of the chain is kept, which makes it compact. Where all clash, the chain steps back by
    a random number of residues, so that no dead end holds it.
    """

    def __init__(self, lengths: Tensor, generator: torch.Generator | None) -> None:
        self.lengths, self._generator = lengths, generator
        self.at = torch.zeros_like(lengths)
        # One residue beyond the longest chain, for the N and C-alpha that its last step places.
        self.atoms = torch.zeros(len(lengths), int(lengths.max()) + 1, 3, 3, dtype=torch.float64)
        self._basin = torch.zeros(self.atoms.shape[:2], dtype=torch.long)
        angle = math.radians(C_N_CA)
        self._before = torch.tensor([C_N, 0.0, 0.0], dtype=torch.float64)  # a C before residue 0
        ca = torch.tensor([math.cos(angle), math.sin(angle), 0.0], dtype=torch.float64)
        self.atoms[:, 0, 1] = N_CA * ca
        table = torch.tensor(BASINS, dtype=torch.float64)
        self._centres, self._spread = table[:, :2], table[:, 2:3]
        stay, entry = 1 - 1 / table[:, 4], table[:, 3]
        leave = entry * (1 - torch.eye(len(BASINS), dtype=torch.float64))
        leave = leave / leave.sum(dim=1, keepdim=True)
        self._transition = torch.diag(stay) + (1 - stay).unsqueeze(1) * leave

    def step(self) -> None:
        chain = torch.nonzero(self.at < self.lengths).squeeze(1)
        at = self.at[chain]
        basin, c, n, ca = self._candidates(chain, at)
        clear, off_centre = self._judge(chain, at, ca)
        choice = off_centre.masked_fill(~clear, torch.inf).argmin(dim=1)
        row = torch.arange(len(chain))
        self._basin[chain, at] = basin[row, choice]
        self.atoms[chain, at, 2] = c[row, choice]
        self.atoms[chain, at + 1, 0] = n[row, choice]
        self.atoms[chain, at + 1, 1] = ca[row, choice]
        back = torch.randint(1, _MAX_STEP_BACK + 1, at.shape, generator=self._generator)
        self.at[chain] = torch.where(clear.any(dim=1), at + 1, (at - back).clamp_min(0))

    def _candidates(self, chain: Tensor, at: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        shape, before, begins = (len(chain), _CANDIDATES), (at - 1).clamp_min(0), at[:, None] == 0
        weights = self._transition[self._basin[chain, before]]
        weights = torch.where(begins, self._transition.mean(dim=0), weights)
        basin = torch.multinomial(weights, _CANDIDATES, replacement=True, generator=self._generator)
        noise = torch.randn(*shape, 3, generator=self._generator, dtype=torch.float64)
        phi, psi = (self._centres[basin] + self._spread[basin] * noise[..., :2]).unbind(-1)
        omega = OMEGA + OMEGA_SPREAD * noise[..., 2]
        previous_c = torch.where(begins, self._before, self.atoms[chain, before, 2])
        placed = (previous_c, *self.atoms[chain, at, :2].unbind(1))
        c0, n0, ca0 = (x.unsqueeze(1).expand(*shape, 3) for x in placed)
        c = place_atom(c0, n0, ca0, bond=CA_C, angle=N_CA_C, torsion=phi)
        n = place_atom(n0, ca0, c, bond=C_N, angle=CA_C_N, torsion=psi)
        ca = place_atom(ca0, c, n, bond=N_CA, angle=C_N_CA, torsion=omega)
        return basin, c, n, ca

    def _judge(self, chain: Tensor, at: Tensor, ca: Tensor) -> tuple[Tensor, Tensor]:
        """Whether each candidate (chains, candidates, 3) is clear, and how far from the centre."""
        earlier = self.atoms[chain, : int(at.max()) + 1, 1]
        residue = torch.arange(earlier.shape[1])
        # The candidate is residue at + 1; those within two of it are bound to be near.
        counts = (residue <= at[:, None] - 2).unsqueeze(1)
        clear = ((torch.cdist(ca, earlier) >= MIN_CALPHA_DISTANCE) | ~counts).all(dim=-1)
        placed = (residue <= at[:, None]).unsqueeze(-1)
        centroid = (earlier * placed).sum(dim=1) / (at + 1).unsqueeze(-1)
        return clear, torch.linalg.vector_norm(ca - centroid.unsqueeze(1), dim=-1)
