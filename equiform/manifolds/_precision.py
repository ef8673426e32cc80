"""In which dtype a manifold computes, and in which it answers."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ParamSpec

import torch
from torch import Tensor

from equiform._points import at_least

P = ParamSpec("P")


def answer_dtype(args: tuple[Any, ...]) -> torch.dtype:
    """That of all positional tensors together, at least float32."""
    return at_least(torch.float32, *(x for x in args if isinstance(x, Tensor)))[0].dtype


def widened(argument: Any) -> Any:
    """The same in float64, if it is a tensor."""
    return argument.double() if isinstance(argument, Tensor) else argument


def in_float64(fn: Callable[P, Tensor]) -> Callable[P, Tensor]:
    """Compute ``fn`` in float64; answer in the dtype of its positional tensors, at least float32.

    Keyword tensors (the curvature) are widened too, but have no say in the dtype of the answer.
    """

    @functools.wraps(fn)
    def wide(*args: P.args, **kwargs: P.kwargs) -> Tensor:
        named = {name: widened(x) for name, x in kwargs.items()}
        return fn(*map(widened, args), **named).to(answer_dtype(args))  # type: ignore[arg-type]

    return wide
