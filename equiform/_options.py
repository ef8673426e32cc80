"""What is asked of options, where they are given: TypeError or ValueError with the name."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any


def check_choice(name: str, value: object, allowed: Sequence[str]) -> None:
    """Raise ValueError unless an option is one of those there are."""
    if not isinstance(value, str) or value not in allowed:
        raise ValueError(f"{name} must be one of {list(allowed)}, got {value!r}")


def check_count(name: str, value: object) -> None:
    """Raise unless an option is a positive integer; True is none."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be an int, got {value!r} ({type(value).__name__})")
    if value < 1:
        raise ValueError(f"{name} must be at least 1, got {name}={value}")


def check_flag(name: str, value: object) -> None:
    """Raise TypeError unless an option is True or False."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False, got {value!r} ({type(value).__name__})")


def check_number(name: str, value: Any, *, positive: bool = False) -> None:
    """Raise unless an option is a finite number, not negative, or positive."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be a number, got {value!r} ({type(value).__name__})")
    if not math.isfinite(value) or value < 0 or (positive and value == 0):
        kind = "be positive and finite" if positive else "be finite and not negative"
        raise ValueError(f"{name} must {kind}, got {value}")
