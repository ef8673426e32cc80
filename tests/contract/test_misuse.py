"""What is no tensor, or none that fits, is refused by name, in words of the library."""

from __future__ import annotations

import pytest

from tests.contract.call import Call
from tests.contract.inputs import misused
from tests.contract.outcomes import describe, is_named
from tests.contract.table import GRID

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize("call", [p for p in GRID if not p.values[0].composed])
def test_misuse_is_refused_by_name(call: Call) -> None:
    wrong = {}
    for what, name, inputs in misused(call):
        try:
            call.function(**inputs)
        except Exception as error:
            why = is_named(error, inputs)
            if why is not None:
                wrong[f"{name} is {what}"] = f"{describe(error)} ({why})"
        else:
            if what not in call.taken.get(name, ()):
                wrong[f"{name} is {what}"] = "it was taken"
    assert not wrong, "\n".join(f"{what}: {why}" for what, why in wrong.items())
