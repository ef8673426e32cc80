"""What is asked of the sizes of modules, and of what comes into them."""

from __future__ import annotations

from torch import Tensor

from equiform._options import check_count
from equiform._points import check_points


def check_counts(**counts: int) -> None:
    """Raise unless all options are positive integers."""
    for name, count in counts.items():
        check_count(name, count)


def check_rows(name: str, x: Tensor, dim: int) -> None:
    """Raise unless x are real rows ``(n, dim)``."""
    check_points("(n, d)", real=True, finite=False, empty=True, **{name: x})
    if x.shape[1] != dim:
        raise ValueError(f"{name} must have shape (n, {dim}), got {tuple(x.shape)}")
