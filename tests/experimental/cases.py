"""Finite groups that the suites share, with their orders from the textbook."""

import itertools

import torch

from equiform import HermitianForm
from equiform.experimental import FiniteGroup

QUATERNIONS = torch.tensor([[[1j, 0], [0, -1j]], [[0, 1], [-1, 0]]], dtype=torch.complex128)
SWAP = torch.tensor([[[0, 1], [1, 0]]], dtype=torch.complex128)
PHASE = torch.tensor([[[1, 0], [0, 1j]]], dtype=torch.complex128)
EVEN_SIGNS = torch.diag_embed(
    torch.tensor([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]], dtype=torch.float64)
)
PERMUTATIONS = torch.eye(3, dtype=torch.float64)[
    torch.tensor(list(itertools.permutations(range(3))))
]

Q8 = FiniteGroup.generated_by(QUATERNIONS)  # from i and j
REFLECTIONS = FiniteGroup.generated_by(torch.cat([SWAP, PHASE]))  # G(4, 1, 2), order 32
TWISTED = FiniteGroup.generated_by(PHASE)  # fixes a line
DIHEDRAL = FiniteGroup.generated_by(
    torch.cat([FiniteGroup.cyclic(5).factors[0][1:2], torch.diag_embed(torch.tensor([[1.0, -1]]))])
)
GROUPS = {
    "one": (FiniteGroup(torch.eye(2)[None]), 1),
    "signs": (FiniteGroup.signs(3), 8),
    "plane": (FiniteGroup.cyclic(7), 7),
    "phases": (FiniteGroup.cyclic(6, HermitianForm()), 6),
    "quaternions": (Q8, 8),
    "reflections": (REFLECTIONS, 32),
    "twisted": (TWISTED, 4),
    "dihedral": (DIHEDRAL, 10),
    "permutations": (FiniteGroup(PERMUTATIONS), 6),
    "even signs": (FiniteGroup(EVEN_SIGNS), 4),
    "product": (FiniteGroup(*Q8.factors, *FiniteGroup.cyclic(3, HermitianForm()).factors), 24),
    "real product": (FiniteGroup(*DIHEDRAL.factors, *FiniteGroup.signs(1).factors), 20),
}
#: Products of subgroups of U(2), where pairs separate orbits.
SEPARATED = sorted(set(GROUPS) - {"even signs", "permutations"})


def double(group):
    return torch.complex128 if group.form.sesquilinear else torch.float64


def all_elements(group):
    """Every element as a dense matrix, written out from the factors."""
    return torch.stack([torch.block_diag(*blocks) for blocks in itertools.product(*group.factors)])
