"""What a report holds: a row of numbers for each transformation, and the encoder's own."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any

from torch import Tensor

from equiform._record import format_table
from equiform.audit.verdicts import Verdict


@dataclass(frozen=True)
class Row:
    r"""What an encoder f does with one transformation a; measured on points that were not fitted.

    Attributes:
        name: of the transformation.
        verdict: the numbers below in a word, by the thresholds of ``equiform.audit.verdicts``.
        error: W_f, :math:`\lVert A - B T^t\rVert_F / \lVert A\rVert_F` for B = f(x), A = f(a x).
        low: lower end of its 95% bootstrap interval over the points, T held fixed.
        high: upper end of the interval.
        null: W_f of shuffled pairs: what one isometry gains where there is no relation.
        invariance_error: the same of T = I.
        displacement: :math:`\sqrt{E|f(ax) - f(x)|^2 / E|f(x) - f(x')|^2}` with x' another input;
            None where all embeddings coincide.
        relative_equivariance: γ_b, the change of pairwise products.
        composition_defect: of :math:`T_a T_a` against the T fitted to f(a a x), relative; None
            where it was not asked for.
        component: the group, and the connected component of it that holds T.
        angles: of the eigenvalues of T in degrees, ascending, in (-180, 180]; None where the group
            is not compact.
        rank: of the cross moment to which T was fitted.
        identifiable: whether T is unique.
        matrix: T, acting on columns, shape ``(d, d)``, double precision, on the CPU.
    """

    name: str
    verdict: Verdict
    error: float
    low: float
    high: float
    null: float
    invariance_error: float
    displacement: float | None
    relative_equivariance: float
    composition_defect: float | None
    component: str
    angles: tuple[float, ...] | None
    rank: int
    identifiable: bool
    matrix: Tensor = field(repr=False, compare=False)

    @property
    def ratio(self) -> float | None:
        """W_f over the null, about 1 where T explains nothing; None where the null is 0."""
        return self.error / self.null if self.null > 0 else None


#: Columns of the tables: heading, attribute of a row.
COLUMNS = {
    "W_f": "error",
    "null": "null",
    "W_f/null": "ratio",
    "T = I": "invariance_error",
    "moved": "displacement",
    "γ_b": "relative_equivariance",
    "a∘a": "composition_defect",
}


@dataclass(frozen=True)
class Report:
    """What an encoder does with transformations of its input.

    ``str`` gives a table; ``report[name]`` the row of a transformation.

    Attributes:
        rows: one for each transformation, in the order given.
        group: the isometry group in which each T is sought.
        dim: d, the dimension of the embeddings.
        num_fit: number of points that T was fitted to.
        num_held_out: number of points measured on.
        effective_rank: of the embeddings f(x) in the form's coordinates, from 1 to d.
        spectrum: shares of their second moment there along its eigenvectors, descending.
        warnings: what makes the numbers less than they seem, in sentences.
        seed: drew the split.
    """

    rows: tuple[Row, ...]
    group: str
    dim: int
    num_fit: int
    num_held_out: int
    effective_rank: float
    spectrum: tuple[float, ...]
    warnings: tuple[str, ...]
    seed: int

    def __getitem__(self, name: str) -> Row:
        rows = {row.name: row for row in self.rows}
        if name not in rows:
            raise KeyError(f"no transformation {name!r}; there are {[*rows]}")
        return rows[name]

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def summary(self) -> str:
        """The encoder's numbers in one line."""
        return (
            f"Embeddings in {self.dim} dimensions, effective rank {self.effective_rank:.1f}; "
            f"T in {self.group}, fitted to {self.num_fit} points and measured on "
            f"{self.num_held_out} others"
        )

    def __str__(self) -> str:
        header = ["transformation", "verdict", *COLUMNS, "95% of W_f", "T"]
        rows = []
        for row in self.rows:
            numbers = [number(getattr(row, attribute)) for attribute in COLUMNS.values()]
            interval = f"{number(row.low)} to {number(row.high)}"
            rows.append([row.name, row.verdict, *numbers, interval, row.component])
        notes = [f"Warning: {warning}" for warning in self.warnings]
        return "\n".join([self.summary, "", format_table(header, rows), *notes])

    def to_dict(self) -> dict[str, Any]:
        """Plain data, without the matrices; a number that is not finite is None."""
        plain = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "rows"}
        plain["rows"] = [
            {f.name: getattr(row, f.name) for f in fields(row) if f.name != "matrix"}
            | {"ratio": row.ratio}
            for row in self.rows
        ]
        # What is no number in JSON is read back as None.
        return json.loads(json.dumps(plain), parse_constant=lambda _: None)


def number(value: float | None) -> str:
    """Three significant digits; what single precision cannot tell from zero is not spelt out."""
    if value is None or not math.isfinite(value):
        return "–"
    return "<1e-6" if 0 < value < 1e-6 else f"{value:.3g}"
