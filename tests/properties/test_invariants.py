r"""The theorem itself, as a count: invariant tensors are spanned by products of the form.

The First Fundamental Theorem says that the group's invariants in V^{⊗m} are spanned by the
perfect matchings of the m factors, each pair contracted with J. Both dimensions are computed here
independently: one from the Lie algebra and a reflection of each component, the other from J alone.
"""

import pytest
import torch

from equiform import EuclideanForm, MinkowskiForm, SpecialOrthogonal, SymplecticForm


def matchings(points):
    """All perfect matchings of a list."""
    if not points:
        yield []
        return
    first, *rest = points
    for i, partner in enumerate(rest):
        for tail in matchings(rest[:i] + rest[i + 1 :]):
            yield [(first, partner), *tail]


def matching_rank(form, d, m):
    j = form.matrix(d, dtype=torch.float64)
    tensors = []
    for matching in matchings(list(range(m))):
        operands = [operand for pair in matching for operand in (j, list(pair))]
        tensors.append(torch.einsum(*operands, list(range(m))).flatten())
    return int(torch.linalg.matrix_rank(torch.stack(tensors))) if tensors else 0


def tensor_power(t, m):
    power = torch.ones(1, 1, dtype=t.dtype)
    for _ in range(m):
        power = torch.kron(power, t)
    return power


def derivation(x, m):
    """How the Lie-algebra element x acts on V^{⊗m}."""
    eye = torch.eye(len(x), dtype=x.dtype)
    total = torch.zeros(len(x) ** m, len(x) ** m, dtype=x.dtype)
    for k in range(m):
        term = torch.ones(1, 1, dtype=x.dtype)
        for i in range(m):
            term = torch.kron(term, x if i == k else eye)
        total += term
    return total


def invariant_dimension(group, m):
    """Dimension of the tensors killed by the algebra and fixed by every component."""
    conditions = [derivation(x, m) for x in group.algebra_basis(dtype=torch.float64)]
    generator = torch.Generator().manual_seed(0)
    for k in range(group.num_signs):
        signs = [-1 if i == k else 1 for i in range(group.num_signs)]
        t = group.sample(rapidity=0.3, component=signs, generator=generator, dtype=torch.float64)
        conditions.append(tensor_power(t, m) - torch.eye(group.dim**m, dtype=torch.float64))
    normal = sum(c.mT @ c for c in conditions)
    return int((torch.linalg.eigvalsh(normal) < 1e-9).sum())


@pytest.mark.parametrize(
    ("form", "d", "expected"),
    [
        (EuclideanForm(), 2, {2: 1, 3: 0, 4: 3, 6: 10}),
        (EuclideanForm(), 3, {2: 1, 3: 0, 4: 3, 5: 0}),
        (SymplecticForm(), 2, {2: 1, 4: 2, 6: 5}),
        (MinkowskiForm(), 3, {2: 1, 3: 0, 4: 3}),
        (SymplecticForm(), 4, {2: 1, 4: 3}),
    ],
    ids=["O(2)", "O(3)", "Sp(2)", "O(1,2)", "Sp(4)"],
)
def test_invariants_are_spanned_by_matchings(form, d, expected):
    group = form.isometry_group(d)
    for m, dimension in expected.items():
        assert invariant_dimension(group, m) == dimension
        assert matching_rank(form, d, m) == dimension


@pytest.mark.parametrize(("m", "invariants"), [(3, 1), (5, 6)])
def test_rotations_have_invariants_that_no_gram_matrix_sees(m, invariants):
    # The determinant is invariant under SO(3) and not under O(3): inner products alone cannot
    # tell a rotation from a reflection.
    assert invariant_dimension(SpecialOrthogonal(3), m) == invariants
    assert matching_rank(EuclideanForm(), 3, m) == 0
