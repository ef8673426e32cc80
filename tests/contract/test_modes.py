"""The same number in every mode of torch and for every layout, and inputs are left as they were."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch

from tests.contract.call import Call, floating
from tests.contract.outcomes import floats, observe
from tests.contract.table import GRID
from tests.contract.table.objects import OBJECTS
from tests.contract.test_dtypes import close

pytestmark = pytest.mark.filterwarnings("ignore")


@contextmanager
def deterministic() -> Iterator[None]:
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


@contextmanager
def default_double() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


MODES: dict[str, Callable[[], Any]] = {
    "inference_mode": torch.inference_mode,
    "no_grad": torch.no_grad,
    "deterministic": deterministic,
    "default float64": default_double,
}
LAYOUTS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "strided": lambda x: torch.stack([x, x], dim=-1)[..., 0],
    "transposed": lambda x: x.mT.contiguous().mT if x.ndim > 1 else x,
    "requires grad": lambda x: x.detach().requires_grad_(),
}


@pytest.mark.parametrize("call", GRID)
def test_modes_and_layouts_change_nothing(call: Call) -> None:
    inputs = call.make(dtype=torch.float32)
    names = floating(inputs)
    before = {name: inputs[name].clone() for name in names}
    want, outcome = observe(call, inputs)
    assert outcome is None, outcome
    wrong = {}
    for name, mode in MODES.items():
        if call.name == "linear_probe" and name == "inference_mode":  # it trains
            continue
        with mode():
            got, outcome = observe(call, inputs)
        wrong[name] = str(outcome) if outcome else _different(got, want)
    for name, layout in LAYOUTS.items():
        got, outcome = observe(call, inputs | {key: layout(inputs[key]) for key in names})
        wrong[name] = str(outcome) if outcome else _different(got, want)
    for name in names:
        if not torch.equal(inputs[name], before[name]):
            wrong[name] = "it was written to"
    wrong = {name: why for name, why in wrong.items() if why}
    assert not wrong, wrong


def _different(got: Any, want: Any) -> str | None:
    if [x.dtype for x in floats(got)] != [x.dtype for x in floats(want)]:
        return f"{[x.dtype for x in floats(got)]} for {[x.dtype for x in floats(want)]}"
    return close(got, want, 1e-5)


@pytest.mark.parametrize("call", [param for param in GRID if param.values[0].smooth])
def test_an_expanded_set_is_as_good_as_copies(call: Call) -> None:
    inputs = call.make(dtype=torch.float64)
    names = [name for name in floating(inputs) if inputs[name].ndim > 1]
    expanded = {name: inputs[name][..., :1, :].expand_as(inputs[name]) for name in names}
    copies = {name: x.clone() for name, x in expanded.items()}
    got, refused = observe(call, inputs | expanded)
    want, outcome = observe(call, inputs | copies)
    assert (refused is None) == (outcome is None)
    assert not (outcome and outcome.wrong), outcome
    assert (why := close(got, want, 1e-9)) is None, why


@pytest.mark.parametrize("name", OBJECTS)
def test_objects_are_copied_pickled_and_restored(name: str, tmp_path: Any) -> None:
    made = OBJECTS[name]()
    for twin in (copy.deepcopy(made), copy.copy(made), pickle.loads(pickle.dumps(made))):
        assert type(twin) is type(made)
        assert repr(twin) == repr(made)
    if not isinstance(made, torch.nn.Module):
        return
    state = made.state_dict()
    torch.save(state, tmp_path / "state.pt")
    restored = torch.load(tmp_path / "state.pt", weights_only=True)
    OBJECTS[name]().load_state_dict(restored)
