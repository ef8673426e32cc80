"""Half precision is computed in single at least, autocast changes nothing, and no other number is
taken for real."""

from __future__ import annotations

import pytest
import torch

from tests.contract.call import Call, cast, floating
from tests.contract.outcomes import floats, observe
from tests.contract.table import GRID

pytestmark = pytest.mark.filterwarnings("ignore")
HALVES = (torch.float16, torch.bfloat16)


def close(got: object, want: object, rtol: float) -> str | None:
    """What tells two results apart."""
    for x, y in zip(floats(got), floats(want), strict=True):
        if x.shape != y.shape:
            return f"shape {tuple(x.shape)} for {tuple(y.shape)}"
        wide = torch.complex128 if x.is_complex() else torch.float64
        x, y = x.detach().to(wide), y.detach().to(wide)
        bound = rtol * y.abs().amax() + 1e-15 if y.numel() else 0
        if not ((x - y).abs() <= bound).all() and not torch.equal(x, y):
            return f"{x.flatten()[:3].tolist()} for {y.flatten()[:3].tolist()}"
    return None


@pytest.mark.parametrize("half", HALVES, ids=str)
@pytest.mark.parametrize("call", GRID)
def test_half_precision_is_computed_in_single(call: Call, half: torch.dtype) -> None:
    inputs = call.make(dtype=torch.float32)
    if any(x.is_complex() for x in inputs.values() if torch.is_tensor(x)):
        pytest.skip("there are no complex numbers of half precision")
    inputs = {name: cast(x, half) for name, x in inputs.items()}
    got, outcome = observe(call, inputs)
    if outcome is not None:
        assert not outcome.wrong, outcome.wrong
        return
    want, rounded = observe(call, {name: cast(x, torch.float32) for name, x in inputs.items()})
    if rounded is not None:  # what holds in half precision need not hold in single
        assert not rounded.wrong, rounded
        return
    kept = [x.dtype for x in floats(got)]
    least = half if call.keeps_dtype else torch.float32
    assert all(torch.finfo(dtype).eps <= torch.finfo(least).eps for dtype in kept), kept
    if not call.halves:
        return
    rounding = 2 * torch.finfo(half).eps if half in kept else 1e-5
    assert (why := close(got, want, rounding)) is None, why


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, *HALVES], ids=str)
@pytest.mark.parametrize("call", GRID)
def test_autocast_changes_neither_value_nor_dtype(call: Call, dtype: torch.dtype) -> None:
    inputs = call.make(dtype=dtype)
    if call.network:
        pytest.skip("torch's own layers follow autocast")
    want, refused = observe(call, inputs)
    with torch.autocast("cpu", torch.bfloat16):
        got, outcome = observe(call, inputs)
    if refused is not None or outcome is not None:
        assert refused == outcome
        return
    assert [x.dtype for x in floats(got)] == [x.dtype for x in floats(want)]
    assert (why := close(got, want, 1e-6)) is None, why


@pytest.mark.parametrize("call", GRID)
def test_double_precision_is_kept(call: Call) -> None:
    result, outcome = observe(call, call.make(dtype=torch.float64))
    assert outcome is None, outcome
    single, _ = observe(call, call.make(dtype=torch.float32))
    if call.name == "linear_probe":  # a score, in numbers of Python
        return
    dtypes = {torch.finfo(x.dtype).bits for x in floats(result)}
    assert dtypes <= {64, 128}, dtypes
    assert (why := close(single, result, call.rtol)) is None, why


@pytest.mark.parametrize("dtype", [torch.complex64, torch.complex128], ids=str)
@pytest.mark.parametrize("call", GRID)
def test_complex_numbers_are_computed_or_refused_by_name(call: Call, dtype: torch.dtype) -> None:
    inputs = call.make(dtype=torch.float64)
    names = floating(inputs)
    inputs |= {name: (inputs[name] * (1 + 1j)).to(dtype) for name in names}
    result, outcome = observe(call, inputs)
    assert not (outcome and outcome.wrong), outcome
    assert not any(x.isnan().any() for x in floats(result))
