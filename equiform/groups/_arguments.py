"""What is asked of the matrices, points and options that groups are given."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from equiform._options import check_count, check_number
from equiform._points import at_least, check_points, decidable

if TYPE_CHECKING:
    from equiform.groups._matrices import MatrixGroup


def check_dtype(group: MatrixGroup, dtype: torch.dtype, name: str) -> None:
    """Raise TypeError where a dtype cannot hold elements, or more than they are."""
    if not isinstance(dtype, torch.dtype):
        raise TypeError(f"{name} must be a torch.dtype such as torch.float64, got {dtype!r}")
    if not (dtype.is_complex if group.form.sesquilinear else dtype.is_floating_point):
        kind = "complex" if group.form.sesquilinear else "real floating-point"
        raise TypeError(f"{name} of {group!r} must be {kind}, got {dtype}")


def answer_dtype(x: Tensor) -> torch.dtype:
    """The dtype of what is made of x: its own, but float32 at least."""
    return at_least(torch.float32, x)[0].dtype


def check_matrix(group: MatrixGroup, m: Tensor, name: str) -> None:
    """Raise unless m are matrices on the space of a group."""
    if not isinstance(m, Tensor):
        raise TypeError(f"{name} must be a tensor of matrices, got {type(m).__name__}")
    check_dtype(group, m.dtype, name)
    d = group.dim
    if m.ndim < 2 or m.shape[-2:] != (d, d):
        raise ValueError(f"{name} must have shape (..., {d}, {d}), got {tuple(m.shape)}")


def check_pairs(group: MatrixGroup, source: Tensor, target: Tensor) -> None:
    """Raise unless source and target are paired points of the space of a group."""
    check_points(source=source, target=target, empty=True)
    if source.shape[-1] != group.dim:
        raise ValueError(
            f"source and target must have shape (..., n, {group.dim}), got {tuple(source.shape)}"
        )
    group.form.check_embedding(source)


def check_sampling(
    group: MatrixGroup,
    batch: tuple[int, ...],
    rapidity: float | Tensor,
    component: Iterable[int] | None,
) -> list[int] | None:
    """The signs of a component; raise unless a group can be sampled so."""
    for n in batch:
        check_count("batch", n, least=0)
    if not isinstance(rapidity, Tensor):
        check_number("rapidity", rapidity)
    elif decidable(rapidity) and not ((rapidity >= 0) & rapidity.isfinite()).all():
        raise ValueError(f"rapidity must be finite and not negative, got {rapidity}")
    if component is None:
        return None
    signs = [int(sign) for sign in component] if isinstance(component, Iterable) else []
    if len(signs) != group.num_signs or not {*signs} <= {-1, 1}:
        raise ValueError(f"component must hold {group.num_signs} signs ±1, got {component!r}")
    return signs
