"""What the table is made of: a callable, and a maker of inputs that it takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

Inputs = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Call:
    """A public callable.

    Attributes:
        name: dotted, of its package, ``functional.wahba_error``, or of its class, ``Sphere.dist``.
        function: takes the inputs by keyword.
        inputs: of n points in d dimensions, in double precision.
        variant: tells apart calls of one name.
        dim: d.
        onto: what brings arbitrary numbers to where the function is defined, for each input;
            of a matrix that must be in a group, for instance.
        taken: by name of an input, what else it may be, of the kinds of misuse.
        composed: whether inputs go through another method first, whose names errors have.
        fixed: inputs that stay as they are when the points are made extreme.
        halves: whether half precision gives what single does with the same points.
        transforms: whether those of torch.func are offered.
        network: whether it is made of torch's layers, with their precision and their overflow.
        least: points that it needs; fewer are an error that says so.
        rowwise: whether each row of the result depends on that row of the inputs alone.
        smooth: whether gradients are offered.
        keeps_dtype: whether it answers in half precision where it is asked in it.
        oracle: the same in float64 by NumPy, from arrays.
        size: of the numbers that the result is a difference of, by NumPy, from arrays.
        whole: whether it is in the full grid only.
        refuses: by name of a transform, what the error says.
        rtol: of float32 against float64.
    """

    name: str
    function: Callable[..., Any]
    inputs: Callable[[int, int], Inputs]
    variant: str = ""
    dim: int = 4
    onto: Mapping[str, Callable[[Tensor], Tensor]] = field(default_factory=dict)
    taken: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    composed: bool = False
    fixed: tuple[str, ...] = ()
    halves: bool = True
    transforms: bool = True
    network: bool = False
    least: int = 1
    rowwise: bool = False
    smooth: bool = True
    keeps_dtype: bool = False
    oracle: Callable[..., Any] | None = None
    size: Callable[..., Any] | None = None
    whole: bool = False
    refuses: Mapping[str, str] = field(default_factory=dict)
    rtol: float = 2e-4

    @property
    def id(self) -> str:
        return f"{self.name}{'-' * bool(self.variant)}{self.variant}"

    def __repr__(self) -> str:
        return self.id

    def make(self, n: int = 6, d: int | None = None, dtype: torch.dtype = torch.float64) -> Inputs:
        """Valid inputs, the same ones each time; integers and flags stay what they are."""
        return self.prepared(self.inputs(n, self.dim if d is None else d), dtype)

    def prepared(self, inputs: Inputs, dtype: torch.dtype) -> Inputs:
        """Inputs brought to where the function is defined, in a precision."""
        inputs = {
            name: self.onto[name](x) if name in self.onto else x for name, x in inputs.items()
        }
        return {name: cast(x, dtype) for name, x in inputs.items()}


def cast(x: Any, dtype: torch.dtype) -> Any:
    """Numbers in the precision of a dtype, complex ones in its complex counterpart."""
    if not isinstance(x, Tensor) or not (x.is_floating_point() or x.is_complex()):
        return x
    if x.is_complex() and not dtype.is_complex:
        dtype = torch.complex128 if dtype == torch.float64 else torch.complex64
    return x.to(dtype)


def numbers(*shape: int, seed: int = 0, complex_: bool = False) -> Tensor:
    """Normal numbers in double precision, the same ones each time."""
    dtype = torch.complex128 if complex_ else torch.float64
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def clouds(*names: str, complex_: bool = False) -> Callable[[int, int], Inputs]:
    """Unrelated clouds by name, ``(n, d)``."""
    return lambda n, d: {
        name: numbers(n, d, seed=i, complex_=complex_) for i, name in enumerate(names)
    }


def floating(inputs: Inputs) -> list[str]:
    """Names of the inputs that hold real or complex numbers."""
    return [
        name
        for name, x in inputs.items()
        if isinstance(x, Tensor) and (x.is_floating_point() or x.is_complex())
    ]
