"""Every form once. A form that is added to equiform is added here, and all suites test it."""

from typing import NamedTuple

from equiform import (
    EuclideanForm,
    HermitianForm,
    IndefiniteForm,
    IsometryGroup,
    Joint,
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


def _diagonal(*entries: float) -> list[list[float]]:
    return [[e if i == j else 0.0 for j in range(len(entries))] for i, e in enumerate(entries)]


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
    FormCase(
        OrthogonalSum([(MinkowskiForm(), 2), (EuclideanForm(), 2)]), 4, _diagonal(-1, 1, 1, 1)
    ),
    FormCase(
        OrthogonalSum([(SymplecticForm(), 2), (SymplecticForm(), 2)]),
        4,
        [[0, 1, 0, 0], [-1, 0, 0, 0], [0, 0, 0, 1], [0, 0, -1, 0]],
    ),
]

_R4 = slice(0, 4)
JOINTS = [
    FormCase(Joint([(EuclideanForm(), _R4), (SymplecticForm(), _R4)]), 4),
    FormCase(Joint([(EuclideanForm(), _R4), (IndefiniteForm(1, 3), _R4)]), 4),
    FormCase(Joint([(MinkowskiForm(), slice(0, 3)), (SymplecticForm(), slice(3, 5))]), 5),
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
    _group(OrthogonalSum([(MinkowskiForm(), 2), (EuclideanForm(), 2)]), 4, 6, 2),
    _group(OrthogonalSum([(SymplecticForm(), 2), (SymplecticForm(), 2)]), 4, 10, 0),
    _group(JOINTS[0].form, 4, 4, 0),  # U(2) in O(4)
    _group(JOINTS[1].form, 4, 3, 2),  # O(1) x O(3)
    _group(JOINTS[2].form, 5, 6, 2),  # O(1, 2) x Sp(2)
    GroupCase(SpecialOrthogonal(1), 0, 0),
    GroupCase(SpecialOrthogonal(3), 3, 0),
    GroupCase(Orthochronous(3), 3, 1),
]
