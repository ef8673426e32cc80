"""Never a finite number from NaN or infinity, never NaN from finite numbers, nor in gradients."""

from __future__ import annotations

import pytest
import torch

from tests.contract.call import Call
from tests.contract.inputs import extremes, poisoned
from tests.contract.outcomes import of_extreme, of_poison
from tests.contract.table import GRID

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize("call", GRID)
def test_nan_and_infinity_do_not_become_numbers(call: Call, dtype: torch.dtype) -> None:
    wrong = {}
    for what, inputs in poisoned(call, dtype):
        outcome = of_poison(call, what, inputs)
        if outcome.wrong:
            wrong[what] = outcome.wrong
    assert not wrong, "\n".join(f"{what}: {why}" for what, why in wrong.items())


@pytest.mark.parametrize("call", GRID)
def test_finite_points_give_the_right_number_or_a_named_error(
    call: Call, dtype: torch.dtype
) -> None:
    wrong = {}
    for what, inputs in extremes(call, dtype):
        outcome = of_extreme(call, what, inputs)
        if outcome.wrong:
            wrong[what] = outcome.wrong
    assert not wrong, "\n".join(f"{what}: {why}" for what, why in wrong.items())
