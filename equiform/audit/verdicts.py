"""What the numbers of one transformation say, in a word: the thresholds, in one place."""

from __future__ import annotations

import math
from enum import StrEnum

#: Displacement below which a transformation counts as ignored: it moves an embedding by less than a
#: tenth of the distance to the embedding of another input, so neighbours stay neighbours.
IGNORED = 0.1
#: W_f, relative to the smaller of null and invariance error, up to which one isometry represents
#: the transformation: it then explains three quarters of the squared move (1 - 0.5²).
REPRESENTED = 0.5
#: W_f relative to the null from which a transformation counts as scrambling: of where f(a x) is,
#: one isometry of f(x) says hardly more (1 - 0.9² < 20% of the square) than one of f(x') does.
SCRAMBLED = 0.9
#: Effective rank below which embeddings in two or more dimensions count as collapsed, as in
#: `equiform.metrics`: on the sphere a mean cosine of 0.95 in 128 dimensions, of 0.92 in 8.
COLLAPSED = 1.5


class Verdict(StrEnum):
    """What an encoder does with a transformation."""

    #: The embeddings do not move.
    IGNORED = "ignored"
    #: They move, by one isometry.
    REPRESENTED = "represented"
    #: They move; f(a x) is related to f(x), but one isometry leaves much of the move unexplained.
    PARTLY = "partly"
    #: They move as if unrelated.
    SCRAMBLED = "scrambled"
    #: All inputs have one embedding, so that there is nothing to say.
    CONSTANT = "constant"


def judge(
    error: float, *, null: float, invariance_error: float, displacement: float | None
) -> Verdict:
    """The verdict on one transformation, from its numbers as in :class:`equiform.audit.Row`.

    Raises:
        ValueError: a number is NaN, of which there is nothing to say.
    """
    numbers = {"error": error, "null": null, "invariance_error": invariance_error}
    for name, value in (numbers | {"displacement": displacement}).items():
        if value is not None and math.isnan(value):
            raise ValueError(f"{name} must be a number, got NaN; embeddings must be finite")
    if displacement is None:
        return Verdict.CONSTANT
    if displacement < IGNORED:
        return Verdict.IGNORED
    if error <= REPRESENTED * min(null, invariance_error):
        return Verdict.REPRESENTED
    return Verdict.SCRAMBLED if error >= SCRAMBLED * null else Verdict.PARTLY
