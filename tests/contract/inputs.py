"""Bad and extreme inputs, made of valid ones."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from tests.contract.call import Call, Inputs, floating

#: Where a value is put, and which.
PLACES = ("entry", "row", "all")
BAD = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def poisoned(call: Call, dtype: torch.dtype) -> Iterator[tuple[str, Inputs]]:
    """NaN or infinity in one entry, one row, or all, of one input at a time."""
    valid = call.make(dtype=dtype)
    for name in floating(valid):
        for place in PLACES:
            for kind, value in BAD.items():
                x = valid[name].clone()
                if x.ndim == 0 and place != "all":
                    continue
                where: Any = (Ellipsis,)
                if place == "entry":
                    where = (0,) * x.ndim
                elif place == "row":
                    where = (*(0,) * (x.ndim - 1), slice(None))
                x[where] = value
                yield f"{name}: {kind} in {place}", valid | {name: x}


#: What is done to all points at once; a CPU may flush subnormal numbers to zero.
EXTREMES = {
    "zeros": lambda x: 0 * x,
    "subnormal": lambda x: x * (1e-310 if x.real.dtype == torch.float64 else 1e-40),
    "tiny": lambda x: x * 1e-25,
    "huge": lambda x: x * 1e30,
    "duplicates": lambda x: x[..., :1, :].expand_as(x) if x.ndim > 1 else x,
}


def extremes(call: Call, dtype: torch.dtype) -> Iterator[tuple[str, Inputs]]:
    """All points zero, tiny, huge or equal; and no point, one point, one dimension."""
    n, d = 6, call.dim
    for name, change in EXTREMES.items():
        if call.network and name == "huge":
            continue
        inputs = call.inputs(n, d)
        changed = {
            key: change(inputs[key].to(_of(inputs[key], dtype)))
            for key in floating(inputs)
            if key not in call.fixed
        }
        yield name, call.prepared(inputs | changed, dtype)
    for sizes in ((0, d), (1, d), (2, d), (n, 1)):
        yield f"n = {sizes[0]}, d = {sizes[1]}", _or_none(call, sizes, dtype)


def _or_none(call: Call, sizes: tuple[int, int], dtype: torch.dtype) -> Inputs:
    try:
        return call.make(*sizes, dtype=dtype)
    except (ValueError, RuntimeError, IndexError):
        return {}  # there are no such inputs


def _of(x: Tensor, dtype: torch.dtype) -> torch.dtype:
    return dtype.to_complex() if x.is_complex() else dtype


def misused(call: Call) -> Iterator[tuple[str, str, Inputs]]:
    """What is no tensor, or none that fits, in the place of each."""
    valid = call.make(dtype=torch.float32)
    names = floating(valid)
    for name in names:
        x = valid[name]
        others = {
            "a list": x.tolist(),
            "an array": x.numpy(),
            "None": None,
            "a string": "points",
            "a number": torch.tensor(1.0),
            "integers": x.real.long() if x.ndim else torch.tensor(1),
            "bool": x.real > 0,
        }
        for what, value in others.items():
            if x.ndim == 0 and what == "a number":
                continue
            yield what, name, valid | {name: value}
        if len(names) > 1 and x.ndim > 1:
            yield "another d", name, valid | {name: torch.cat([x, x[..., :1]], dim=-1)}
            yield "another device", name, valid | {name: x.to("meta")}
