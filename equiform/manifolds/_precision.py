"""In which dtype a manifold computes, and in which it answers."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec

import torch
from torch import Tensor

from equiform._points import at_least

P = ParamSpec("P")


def in_float64(fn: Callable[P, Tensor]) -> Callable[P, Tensor]:
    """Compute ``fn`` in float64; answer in the dtype of its positional tensors, at least float32.

    Keyword tensors (the curvature) are widened too, but have no say in the dtype of the answer.
    """

    @functools.wraps(fn)
    def wide(*args: P.args, **kwargs: P.kwargs) -> Tensor:
        dtype = at_least(torch.float32, *(a for a in args if isinstance(a, Tensor)))[0].dtype
        return fn(*map(_widen, args), **{name: _widen(a) for name, a in kwargs.items()}).to(dtype)  # type: ignore[arg-type]

    return wide


def _widen(argument: object) -> object:
    return argument.double() if isinstance(argument, Tensor) else argument
