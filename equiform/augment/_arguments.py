"""What is asked of the options and inputs of augmentations."""

from __future__ import annotations

import reprlib
from collections.abc import Sequence
from types import UnionType

import torch

from equiform._options import check_number


def check_instance(name: str, value: object, kind: type | UnionType, what: str) -> None:
    """Raise TypeError unless an argument is an object of a kind, not a class of it."""
    if not isinstance(value, kind):
        instance = f"; use {value.__name__}(...)" if isinstance(value, type) else ""
        raise TypeError(f"{name} must be {what}, got {reprlib.repr(value)}{instance}")


def check_share(name: str, value: float, most: float = 1.0, remedy: str = "") -> None:
    """Raise unless an option is a number between 0 and the most that it may be."""
    check_number(name, value)
    if value > most:
        raise ValueError(f"{name} must be in [0, {most:g}], got {value}{remedy}")


def check_bounds(name: str, bounds: tuple[float, float]) -> None:
    """Raise unless an option is two positive numbers, low first."""
    check_instance(name, bounds, Sequence, "two numbers (low, high)")
    for bound in bounds:
        check_number(name, bound, positive=True)
    if len(bounds) != 2 or bounds[0] > bounds[1]:
        raise ValueError(f"{name} must be two positive numbers, low first, got {bounds}")


def check_generator(generator: object) -> None:
    """Raise TypeError unless it is a generator or None; a seed makes one."""
    what = "a torch.Generator, as torch.Generator().manual_seed(0)"
    check_instance("generator", generator, torch.Generator | None, what)
