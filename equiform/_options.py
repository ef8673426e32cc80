"""What is asked of options, where they are given: TypeError or ValueError with the name."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np


def check_choice(name: str, value: object, allowed: Sequence[str]) -> None:
    """Raise ValueError unless an option is one of those there are."""
    if not isinstance(value, str) or value not in allowed:
        raise ValueError(f"{name} must be one of {list(allowed)}, got {reprlib.repr(value)}")


def check_count(name: str, value: object, *, least: int = 1) -> int:
    """An option as int; raise unless it is an integer from ``least`` on. True is none."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{name} must be an int, got {_shown(value)}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, got {name}={value}")
    return int(value)


def check_flag(name: str, value: object) -> bool:
    """An option as bool; raise TypeError unless it is True or False."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be True or False, got {_shown(value)}")
    return bool(value)


def check_number(name: str, value: Any, *, positive: bool = False) -> float:
    """An option as float; raise unless it is a finite number, not negative, or positive."""
    if isinstance(value, bool) or not isinstance(value, Real):
        remedy = "; it is a constant: use .item()" if hasattr(value, "item") else ""
        raise TypeError(f"{name} must be a number, got {_shown(value)}{remedy}")
    number = float(value)
    if not 0 <= number < math.inf or (positive and number == 0):
        kind = "be positive and finite" if positive else "be finite and not negative"
        raise ValueError(f"{name} must {kind}, got {value}")
    return number


def _shown(value: object) -> str:
    """A value and its type, cut short: it may hold tensors."""
    return f"{reprlib.repr(value)} ({type(value).__name__})"
