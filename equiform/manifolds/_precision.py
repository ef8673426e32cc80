"""In which dtype a manifold computes, and in which it answers."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec

import torch
from torch import Tensor

P = ParamSpec("P")


def answer_dtype(*tensors: Tensor) -> torch.dtype:
    """The dtype that ``tensors`` promote to, at least float32.

    Raises:
        TypeError: where a tensor is not real floating-point.
    """
    for t in tensors:
        if not t.is_floating_point():
            raise TypeError(
                f"a manifold needs real floating-point tensors, got {t.dtype}; use .float()"
            )
    return functools.reduce(torch.promote_types, (t.dtype for t in tensors), torch.float32)


def at_least_float32(x: Tensor) -> Tensor:
    """``x``, with half precision promoted to float32."""
    return x.to(answer_dtype(x))


def in_float64(fn: Callable[P, Tensor]) -> Callable[P, Tensor]:
    """Compute ``fn`` in float64 and answer in the dtype of its positional tensors.

    Keyword tensors (the curvature) are widened too, but have no say in the dtype of the answer.
    """

    @functools.wraps(fn)
    def wide(*args: P.args, **kwargs: P.kwargs) -> Tensor:
        dtype = answer_dtype(*(a for a in args if isinstance(a, Tensor)))
        return fn(*map(_widen, args), **{name: _widen(a) for name, a in kwargs.items()}).to(dtype)  # type: ignore[arg-type]

    return wide


def _widen(argument: object) -> object:
    return argument.double() if isinstance(argument, Tensor) else argument
