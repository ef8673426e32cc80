"""Every form once. A form that is added to equiform is added here, and all suites test it."""

from typing import NamedTuple

import torch

from equiform import (
    BilinearForm,
    EuclideanForm,
    HermitianForm,
    IndefiniteForm,
    IsometryGroup,
    Joint,
    MetricForm,
    MinkowskiForm,
    Orthochronous,
    OrthogonalSum,
    SpecialOrthogonal,
    SplitForm,
    SymplecticForm,
)
from equiform.forms import Form


class FormCase(NamedTuple):
    """A form, a dimension it lives on, and its matrix J written out by hand."""

    form: Form
    dim: int
    matrix: list[list[float]] | None = None

    @property
    def id(self) -> str:
        return f"{self.form}-{self.dim}"

    @property
    def j(self) -> torch.Tensor:
        """The matrix in double precision."""
        dtype = torch.complex128 if self.form.sesquilinear else torch.float64
        return torch.tensor(self.matrix, dtype=dtype)

    @property
    def condition(self) -> float:
        """By how much the basis of the form magnifies rounding; 1 where J is a permutation."""
        frame = self.form.frame(self.dim)
        return 1.0 if frame is None else float(torch.linalg.cond(frame)) ** 2


def _diagonal(*entries: float) -> list[list[float]]:
    return [[e if i == j else 0.0 for j in range(len(entries))] for i, e in enumerate(entries)]


class SkewHermitian(BilinearForm):
    """A user's form with both flags: the group of iJ, U(m, m)."""

    symmetry = -1
    sesquilinear = True

    def signed_permutation(self, d):
        m = d // 2
        return [*range(m, d), *range(m)], [-1] * m + [1] * m


FORMS = [
    FormCase(EuclideanForm(), 1, _diagonal(1)),
    FormCase(EuclideanForm(), 4, _diagonal(1, 1, 1, 1)),
    FormCase(MinkowskiForm(), 2, _diagonal(-1, 1)),
    FormCase(MinkowskiForm(), 4, _diagonal(-1, 1, 1, 1)),
    FormCase(IndefiniteForm(2, 3), 5, _diagonal(1, 1, -1, -1, -1)),
    FormCase(IndefiniteForm(0, 2), 2, _diagonal(-1, -1)),
    FormCase(SplitForm(), 4, [[0, 0, 1, 0], [0, 0, 0, 1], [1, 0, 0, 0], [0, 1, 0, 0]]),
    FormCase(SymplecticForm(), 2, [[0, 1], [-1, 0]]),
    FormCase(SymplecticForm(), 4, [[0, 0, 1, 0], [0, 0, 0, 1], [-1, 0, 0, 0], [0, -1, 0, 0]]),
    FormCase(HermitianForm(), 3, _diagonal(1, 1, 1)),
    FormCase(SkewHermitian(), 4, [[0, 0, 1, 0], [0, 0, 0, 1], [-1, 0, 0, 0], [0, -1, 0, 0]]),
    FormCase(
        OrthogonalSum([(MinkowskiForm(), 2), (EuclideanForm(), 2)]), 4, _diagonal(-1, 1, 1, 1)
    ),
    FormCase(
        OrthogonalSum([(SymplecticForm(), 2), (SymplecticForm(), 2)]),
        4,
        [[0, 1, 0, 0], [-1, 0, 0, 0], [0, 0, 0, 1], [0, 0, -1, 0]],
    ),
]


def _metric(standard: list[list[float]], condition: float, *, hermitian: bool = False) -> FormCase:
    """S = Q D^½ J D^½ Q^σ with a random orthonormal Q: a MetricForm of a condition number."""
    j = torch.tensor(standard, dtype=torch.complex128 if hermitian else torch.float64)
    d = len(j)
    generator = torch.Generator().manual_seed(d)
    q, _ = torch.linalg.qr(torch.randn(d, d, generator=generator, dtype=j.dtype))
    # Of a skew J the two coordinates of a plane are stretched alike.
    m = d // 2 if (j.mT == -j).all() else d
    root = torch.logspace(0, 1, m, base=condition**0.5, dtype=torch.float64).repeat(d // m)
    s = q @ (root[:, None] * j * root) @ q.mH
    s = (s + (1 if m == d else -1) * s.mH) / 2
    return FormCase(MetricForm(s), d, s.tolist())


METRICS = [
    _metric(_diagonal(1, 1, 1), 1e4),
    _metric(_diagonal(1, 1, -1), 1e4),
    _metric([[0, 0, 1, 0], [0, 0, 0, 1], [-1, 0, 0, 0], [0, -1, 0, 0]], 1e4),
    _metric(_diagonal(1, 1, 1), 1e4, hermitian=True),
    _metric(_diagonal(1, 1, -1, -1), 1e2, hermitian=True),
    _metric(_diagonal(1, 1, -1, -1), 1.0),
]
FORMS += METRICS
FORMS.append(
    FormCase(
        OrthogonalSum(
            [(MetricForm(torch.tensor([[2.0, 1.0], [1.0, 1.0]])), 2), (MinkowskiForm(), 2)]
        ),
        4,
        [[2, 1, 0, 0], [1, 1, 0, 0], [0, 0, -1, 0], [0, 0, 0, 1]],
    )
)

_R3, _R4 = slice(0, 3), slice(0, 4)
#: With the eigenvalues 3, 3 and 30 of S, whose eigenvectors are complex.
_HERMITIAN = MetricForm(torch.tensor([[12, 9j, -9], [-9j, 12, 9j], [-9, -9j, 12]]))
JOINTS = [
    FormCase(Joint([(EuclideanForm(), _R4), (SymplecticForm(), _R4)]), 4),
    FormCase(Joint([(EuclideanForm(), _R4), (IndefiniteForm(1, 3), _R4)]), 4),
    FormCase(Joint([(MinkowskiForm(), slice(0, 3)), (SymplecticForm(), slice(3, 5))]), 5),
    FormCase(Joint([(METRICS[1].form, slice(0, 3)), (SymplecticForm(), slice(3, 5))]), 5),
    FormCase(
        Joint([(EuclideanForm(), _R3), (MetricForm(torch.diag(torch.tensor([9, 9, 1]))), _R3)]), 3
    ),
    FormCase(Joint([(HermitianForm(), _R3), (_HERMITIAN, _R3)]), 3),
    FormCase(Joint([(HermitianForm(), _R4), (SkewHermitian(), _R4)]), 4),
]


class GroupCase(NamedTuple):
    """A group with its Lie-algebra dimension and number of component signs, from the textbook."""

    group: IsometryGroup
    algebra_dim: int
    num_signs: int

    @property
    def id(self) -> str:
        return repr(self.group)


def _group(form: Form, d: int, algebra_dim: int, num_signs: int) -> GroupCase:
    return GroupCase(form.isometry_group(d), algebra_dim, num_signs)


GROUPS = [
    _group(EuclideanForm(), 1, 0, 1),
    _group(EuclideanForm(), 4, 6, 1),
    _group(MinkowskiForm(), 4, 6, 2),
    _group(IndefiniteForm(2, 3), 5, 10, 2),
    _group(IndefiniteForm(0, 2), 2, 1, 1),
    _group(SplitForm(), 4, 6, 2),  # O(2, 2)
    _group(SymplecticForm(), 2, 3, 0),
    _group(SymplecticForm(), 4, 10, 0),
    _group(HermitianForm(), 3, 9, 0),
    _group(SkewHermitian(), 4, 16, 0),  # U(2, 2)
    _group(OrthogonalSum([(MinkowskiForm(), 2), (EuclideanForm(), 2)]), 4, 6, 2),
    _group(OrthogonalSum([(SymplecticForm(), 2), (SymplecticForm(), 2)]), 4, 10, 0),
    _group(JOINTS[0].form, 4, 4, 0),  # U(2) in O(4)
    _group(JOINTS[1].form, 4, 3, 2),  # O(1) x O(3)
    _group(JOINTS[2].form, 5, 6, 2),  # O(1, 2) x Sp(2)
    _group(JOINTS[3].form, 5, 6, 2),  # O(2, 1) x Sp(2)
    _group(JOINTS[4].form, 3, 1, 2),  # O(2) x O(1)
    _group(JOINTS[5].form, 3, 5, 0),  # U(2) x U(1)
    _group(JOINTS[6].form, 4, 8, 0),  # U(2) x U(2)
    *(
        _group(case.form, case.dim, algebra_dim, num_signs)
        for case, algebra_dim, num_signs in zip(
            FORMS[-7:], (3, 3, 10, 9, 16, 6, 6), (1, 2, 0, 0, 0, 2, 2), strict=True
        )
    ),
    GroupCase(SpecialOrthogonal(1), 0, 0),
    GroupCase(SpecialOrthogonal(3), 3, 0),
    GroupCase(Orthochronous(3), 3, 1),
]


def in_coordinates(group: IsometryGroup, t: torch.Tensor) -> torch.Tensor:
    """C^t T C^{-t}, by which T acts on the coordinates of the form."""
    frame = group.form.frame(group.dim)
    return t if frame is None else frame.mT @ t @ torch.linalg.inv(frame.mT)
