"""What is asked of the options and inputs of augmentations."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable
from types import UnionType

import torch

from equiform._options import check_number


def check_instance(name: str, value: object, kind: type | UnionType, what: str) -> None:
    """Raise TypeError unless an argument is an object of a kind, not a class of it."""
    if not isinstance(value, kind):
        instance = f"; use {value.__name__}(...)" if isinstance(value, type) else ""
        raise TypeError(f"{name} must be {what}, got {reprlib.repr(value)}{instance}")


def check_share(name: str, value: float, most: float = 1.0, remedy: str = "") -> float:
    """An option as float; raise unless it is between 0 and the most that it may be."""
    number = check_number(name, value)
    if number > most:
        raise ValueError(f"{name} must be in [0, {most:g}], got {value}{remedy}")
    return number


def check_bounds(name: str, bounds: Iterable[float]) -> tuple[float, ...]:
    """An option as two floats; raise unless they are positive, low first."""
    bounds = bounds.tolist() if isinstance(bounds, torch.Tensor) else bounds
    check_instance(name, bounds, Iterable, "two numbers (low, high)")
    numbers = tuple(check_number(name, bound, positive=True) for bound in bounds)
    if len(numbers) != 2 or numbers[0] > numbers[1]:
        raise ValueError(f"{name} must be two positive numbers, low first, got {bounds}")
    return numbers


def check_generator(generator: object) -> None:
    """Raise TypeError unless it is a generator or None; a seed makes one."""
    what = "a torch.Generator, as torch.Generator().manual_seed(0)"
    check_instance("generator", generator, torch.Generator | None, what)
