"""Derivatives of what was found by branching and iterating: those of the equation it solves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor


def attached(y: Tensor, defect: Callable[[Tensor], Tensor], move: Callable[..., Tensor]) -> Tensor:
    r"""A solution of an equation, with its first and second derivatives in what the defect is of.

    Newton's iteration with the Jacobian at the solution gains an order at each step, and two steps
    from the solution's mere value leave an error of the third. So nothing is differentiated that
    led to the solution, and repeated singular values do no harm. The value stays as it is.

    Args:
        y: the solution.
        defect: of the equation, for any y.
        move: what makes a defect vanish to first order, ``(y, defect) -> y``; it uses constants.
    """
    y = y.detach()
    for _ in range(2):
        missed = defect(y)
        y = move(y, missed - missed.detach())
    return y


def along(t: Tensor, x: Tensor) -> Tensor:
    """t e^x to second order."""
    return t + t @ (x + x @ x / 2)


def on_values(function: Callable[..., tuple[Tensor, ...]], *batches: Tensor) -> tuple[Tensor, ...]:
    """A function of batches that branches on their values, without a derivative; under vmap too.

    Args:
        function: tensors of as many to as many, alike for any shape that comes before theirs.
        batches: its arguments.

    Raises:
        NotImplementedError: there are no values, in a compiled graph or on meta.
    """
    if torch.compiler.is_compiling() or any(x.is_meta for x in batches):
        raise NotImplementedError(
            "this fit and the extension of point sets branch on values, of which a compiled graph "
            "and the meta device have none; call it outside of torch.compile and torch.export"
        )
    return _OnValues.apply(function, *(x.detach() for x in batches))  # type: ignore[return-value]


class _OnValues(torch.autograd.Function):
    @staticmethod
    def forward(function: Callable[..., tuple[Tensor, ...]], *batches: Tensor) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        return function(*batches)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.mark_non_differentiable(*output)

    @staticmethod
    def vmap(info: Any, in_dims: Sequence[int | None], function: Any, *batches: Tensor) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        found = _OnValues.apply(function, *in_front(info.batch_size, in_dims[1:], batches))
        return found, (0,) * len(found)  # type: ignore[arg-type]


def in_front(size: int, in_dims: Sequence[int | None], batches: Sequence[Tensor]) -> list[Tensor]:
    """The arguments of a vmap with the mapped axis first, where there was none too."""
    return [
        x.expand(size, *x.shape) if dim is None else x.movedim(dim, 0)
        for x, dim in zip(batches, in_dims, strict=True)
    ]
