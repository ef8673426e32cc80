"""How the tables of the examples name scores, and which value of a column is the best."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple


class Column(NamedTuple):
    """What stands above a column.

    Attributes:
        name: of the score.
        unit: of its values; "" where there is none.
        better: an arrow to where the better values are; "" where none is better.
    """

    name: str
    unit: str = ""
    better: Literal["↓", "↑", ""] = ""


#: By key of metrics.json.
COLUMNS = {
    "pc1_angle_deg_median": Column("axis error", "°", "↓"),
    "pc1_mse": Column("axis MSE", "", "↓"),
    "probe_top1": Column("probe", "", "↑"),
    "knn": Column("kNN", "", "↑"),
    "wahba": Column("W_f", "", "↓"),
    "wahba_null": Column("W_f null"),
    "gamma_b": Column("γ_b", "", "↓"),
    "gamma_f": Column("γ_f", "", "↓"),
    "effective_rank": Column("effective rank", "", "↑"),
    "uniformity": Column("uniformity", "", "↓"),
    "seconds": Column("seconds"),
}
#: Those of a comparison on proteins, in their order.
PROTEINS = (
    "pc1_angle_deg_median",
    "pc1_mse",
    "wahba",
    "wahba_null",
    "gamma_b",
    "effective_rank",
    "uniformity",
)
_SPELT = str.maketrans({"↓": "v", "↑": "^", "γ": "gamma", "°": "deg", "±": "+-"})


def heading(key: str, dim: int | None = None) -> str:
    """What to write above a column; ``dim``, if known, is that of the embedding."""
    name, unit, better = COLUMNS[key]
    if key == "effective_rank" and dim is not None:
        unit = f"of {dim}"
    return " ".join(part for part in (name, unit and f"({unit})", better) if part)


def digits(value: float) -> str:
    """A value in three significant digits, or in all those before the point."""
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


def are_best(key: str, values: Sequence[float]) -> list[bool]:
    """Which values of a column are the best: all that look like it when they are printed.

    None is where there is nothing to choose between: a single row, or a column without direction.
    """
    better = COLUMNS[key].better
    if not better or len(values) < 2:
        return [False] * len(values)
    best = min(values) if better == "↓" else max(values)
    return [digits(value) == digits(best) for value in values]


def encodable(text: str, encoding: str | None) -> str:
    """The text as it is, or spelt in ASCII for a stream whose encoding lacks some of its signs."""
    encoding = encoding or "ascii"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        text = text.translate(_SPELT).encode(encoding, "replace").decode(encoding)
    return text
