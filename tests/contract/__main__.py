"""Count what comes of every public callable on bad and extreme inputs, as a table.

    python -m tests.contract

Each row is a package. *Right*: a number that NumPy confirms where it can, infinity on overflow,
with gradients that are no NaN. *NaN*: of an input that is NaN or infinite. *Named error*: one that
names the argument. *Other* is anything else, and must be 0.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator

import torch

from tests.contract.call import Call
from tests.contract.inputs import extremes, misused, poisoned
from tests.contract.outcomes import Outcome, observe, of_extreme, of_poison
from tests.contract.table import PACKAGES

KINDS = ("right", "nan", "error", "wrong")


def outcomes(call: Call) -> Iterator[Outcome]:
    """What comes of a call on every input that the tests have."""
    for dtype in (torch.float32, torch.float64):
        for what, inputs in poisoned(call, dtype):
            yield of_poison(call, what, inputs)
        for what, inputs in extremes(call, dtype):
            if inputs:
                yield of_extreme(call, what, inputs)
    if not call.composed:
        for what, name, inputs in misused(call):
            if what not in call.taken.get(name, ()):
                _, outcome = observe(call, inputs)
                yield outcome or Outcome("wrong", "it was taken")


def main() -> int:
    """Print the table; 1 if anything is wrong."""
    warnings.simplefilter("ignore")
    total: Counter[str] = Counter()
    print("| package | callables | calls | inputs | right | NaN | named error | other |")
    print("|---" * 8 + "|")
    for package, calls in PACKAGES.items():
        names = {call.name for call in calls}
        count: Counter[str] = Counter(names=len(names), calls=len(calls))
        for call in calls:
            for outcome in outcomes(call):
                count["wrong" if outcome.wrong else outcome.kind] += 1
                if outcome.wrong:
                    print(f"{call.id}: {outcome.wrong}")
        total += count
        print(_row(package, count))
    print(_row("**all**", total))
    return int(total["wrong"] > 0)


def _row(name: str, count: Counter[str]) -> str:
    inputs = sum(count[kind] for kind in KINDS)
    numbers = [count["names"], count["calls"], inputs, *(count[kind] for kind in KINDS)]
    return f"| {name} | {' | '.join(f'{n:,}' for n in numbers)} |"


if __name__ == "__main__":
    raise SystemExit(main())
