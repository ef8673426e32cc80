"""What may come of a call: the right number, NaN, or an error that names the argument."""

from __future__ import annotations

import dataclasses
import re
import traceback
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import geoopt
import numpy as np
import torch
from torch import Tensor

import equiform
from tests.contract.call import Call, Inputs, floating

#: Manifolds check dimensions by a method that they inherit.
PACKAGES = tuple(str(Path(package.__file__).parent) for package in (equiform, geoopt))


def tensors(result: Any) -> Iterator[Tensor]:
    """The tensors in a result, numbers as tensors too."""
    if isinstance(result, Tensor):
        yield result
    elif isinstance(result, bool | int | float):
        yield torch.tensor(result)
    elif isinstance(result, Mapping):
        for value in result.values():
            yield from tensors(value)
    elif isinstance(result, list | tuple):
        for value in result:
            yield from tensors(value)
    elif dataclasses.is_dataclass(result):
        for entry in dataclasses.fields(result):
            yield from tensors(getattr(result, entry.name))


def floats(result: Any) -> list[Tensor]:
    """The real and complex tensors in a result."""
    return [x for x in tensors(result) if x.is_floating_point() or x.is_complex()]


def is_named(error: Exception, inputs: Mapping[str, Any]) -> str | None:
    """None if an error is one that a user can act on, else what is wrong with it."""
    if not isinstance(error, ValueError | TypeError | FloatingPointError):
        return f"{type(error).__name__} is no ValueError or TypeError"
    frame = traceback.extract_tb(error.__traceback__)[-1]
    if not frame.filename.startswith(PACKAGES):
        return f"it comes from {frame.filename}:{frame.lineno}"
    words = set(re.findall(r"\w+", str(error)))
    # Numbers of points and dimensions are nobody's names, but say what is wrong; so does what a
    # form takes. A loss of several calls those of one kind by one name, z1 for z1_inv and z1_equi.
    kinds = {name.partition("_")[0] for name in inputs}
    if not words & {*inputs, *kinds, "n", "d", "embeddings"}:
        return f"it names none of {', '.join(inputs)}"
    return None


def describe(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).splitlines()[0][:160] if str(error) else ''}"


class Outcome(NamedTuple):
    """What came of a call: ``right``, ``nan`` or ``error``, or what is wrong with it."""

    kind: str
    wrong: str | None = None


def observe(call: Call, inputs: Inputs) -> tuple[Any, Outcome | None]:
    """The result, or the outcome that an error is."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return call.function(**inputs), None
    except Exception as error:
        wrong = is_named(error, inputs)
        return None, Outcome("error", wrong and f"{describe(error)} ({wrong})")


def of_poison(call: Call, what: str, inputs: Inputs) -> Outcome:
    """An input is NaN or infinite: so is something in the result, or it is refused by name."""
    result, outcome = observe(call, inputs)
    if outcome is not None:
        return outcome
    found = [x for x in floats(result) if x.numel()]
    if not found:
        told = [bool(x.any()) for x in tensors(result) if x.dtype == torch.bool]
        return Outcome("nan", "it says yes" if any(told) else None)
    lost = torch.Tensor.isfinite if "inf" in what else lambda x: ~x.isnan()
    if all(lost(x).all() for x in found):
        return Outcome("number", f"it gave {found[0].flatten()[:4].tolist()}")
    return Outcome("nan")


def of_extreme(call: Call, what: str, inputs: Inputs) -> Outcome:
    """The right number, infinity where it overflows, or an error by name; gradients without NaN."""
    names = floating(inputs)
    if not inputs:
        return Outcome("none")
    leaves = {
        name: x.detach().clone().requires_grad_() if call.smooth and name in names else x
        for name, x in inputs.items()
    }
    result, outcome = observe(call, leaves)
    if outcome is not None:
        few = what.startswith("n =")
        if what in ("zeros", "duplicates", "huge", "subnormal", "tiny") or few:
            return outcome
        return Outcome("error", outcome.wrong or "valid points are refused")
    found = floats(result)
    for x in found:
        if x.isnan().any():
            return Outcome("nan", f"NaN in a result of shape {tuple(x.shape)}")
    wrong = None if call.oracle is None else _off(call, result, inputs)
    if wrong is None and call.smooth:
        wrong = _gradients(found, [leaves[name] for name in names])
    return Outcome("right", wrong)


def _off(call: Call, result: Any, inputs: Inputs) -> str | None:
    """What NumPy says of a finite result, in float64."""
    assert call.oracle is not None
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            expected = call.oracle(**{k: _array(x) for k, x in inputs.items()})
        except (np.linalg.LinAlgError, ValueError):
            return None
    single = any(x.dtype in (torch.float32, torch.complex64) for x in inputs.values())
    rtol = call.rtol if single else 1e-6
    size = (
        0.0 if call.size is None else float(call.size(**{k: _array(x) for k, x in inputs.items()}))
    )
    atol = 1e-30 + (1e-5 if single else 1e-13) * size
    expected = expected if isinstance(expected, tuple) else (expected,)
    for got, want in zip(floats(result), map(np.asarray, expected), strict=False):
        finite = np.isfinite(want) & (np.abs(want) < torch.finfo(got.dtype).max ** 0.5)
        a, b = _array(got)[finite], want[finite]
        if a.size and not np.abs(a - b).max() <= rtol * np.abs(b).max() + atol:
            at = np.abs(a - b).argmax()
            return f"{a.flat[at]} where NumPy has {b.flat[at]}"
    return None


def _array(x: Any) -> Any:
    if not isinstance(x, Tensor):
        return x
    x = x.detach().resolve_conj().resolve_neg()
    return x.to(torch.complex128 if x.is_complex() else torch.float64).numpy()


def _gradients(found: list[Tensor], leaves: list[Tensor]) -> str | None:
    """What is wrong with the gradients where the value is finite."""
    smooth = [x for x in found if x.requires_grad and x.isfinite().all()]
    if not smooth:
        return None
    total = sum((x.real + x.imag).sum() if x.is_complex() else x.sum() for x in smooth)
    try:
        gradients = torch.autograd.grad(total, leaves, allow_unused=True)
    except RuntimeError as error:
        return f"no gradient: {describe(error)}"
    if any(g is not None and g.isnan().any() for g in gradients):
        return "NaN in a gradient"
    return None
