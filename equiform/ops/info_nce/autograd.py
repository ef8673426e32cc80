"""The log-partition op as torch knows it: registered, differentiable twice, batched, compilable."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from equiform.ops.info_nce import tiled
from equiform.ops.info_nce.routes import route
from equiform.ops.overflow import infinite_overflow


def _forward(x: Tensor, group: int, backend: str) -> Tensor:
    partition = route(backend, x).log_partition(x, group, range(len(x)))
    # A GPU would wait for the answer.
    if partition.is_cuda or partition.isnan().any():
        partition = infinite_overflow(partition, x)
    return partition


def _gradient(x: Tensor, partition: Tensor, weight: Tensor, group: int, backend: str) -> Tensor:
    rows = range(len(x))
    return route(backend, x).gradient(x, partition, weight.contiguous(), group, rows)


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    x, ctx.group, ctx.backend = inputs
    ctx.save_for_backward(x, output)


def _one_by_one(call: Callable[..., Any]) -> Callable[..., Any]:
    """The vmap rule of an op that takes one set of rows: one call after the other."""

    def rule(info: Any, in_dims: tuple[int | None, ...], *arguments: Any) -> Any:
        results = [
            call(
                *(
                    x if dim is None else x.select(dim, i)
                    for x, dim in zip(arguments, in_dims, strict=True)
                )
            )
            for i in range(info.batch_size)
        ]
        if isinstance(results[0], Tensor):
            return torch.stack(results), 0
        parts = tuple(torch.stack(part) for part in zip(*results, strict=True))
        return parts, (0,) * len(parts)

    return rule


class _LogPartition(torch.autograd.Function):
    """The op outside torch.compile: the registered one loads torch's compiler on its first call."""

    forward = staticmethod(_forward)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        _setup_context(ctx, inputs, output)
        ctx.save_for_forward(inputs[0], output)

    @staticmethod
    def backward(ctx: Any, weight: Tensor) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        x, partition = ctx.saved_tensors
        return _Gradient.apply(x, partition, weight, ctx.group, ctx.backend), None, None

    @staticmethod
    def jvp(ctx: Any, v: Tensor, *_: Any) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        x, partition = ctx.saved_tensors
        return _Change.apply(x, partition, torch.zeros_like(partition), v, ctx.group)[1]  # type: ignore[index]

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *arguments: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        return _one_by_one(_LogPartition.apply)(info, in_dims, *arguments)


class _Gradient(torch.autograd.Function):
    """Its derivative, itself differentiable once; the second derivative is by tiles everywhere."""

    forward = staticmethod(_gradient)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        *tensors, ctx.group, ctx.backend = inputs
        ctx.save_for_backward(*tensors)
        ctx.save_for_forward(*tensors)

    @staticmethod
    def backward(ctx: Any, v: Tensor) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        # In x, ℓ and w held apart: ℓ has a graph of its own, which leads autograd on to x.
        x, partition, weight = ctx.saved_tensors
        in_x, slope = _Change.apply(x, partition, weight, v, ctx.group)  # type: ignore[misc]
        return in_x, -weight * slope, slope, None, None

    @staticmethod
    def jvp(ctx: Any, *changes: Any) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        # At fixed ℓ and w a gradient, so that its derivative in x is symmetric; linear in w e^-ℓ.
        x, partition, weight = ctx.saved_tensors
        of_x, of_partition, of_weight = (
            torch.zeros_like(z) if change is None else change
            for z, change in zip(ctx.saved_tensors, changes, strict=False)
        )
        in_x, _ = _Change.apply(x, partition, weight, of_x, ctx.group)  # type: ignore[misc]
        of_weight = of_weight - weight * of_partition
        return in_x + _Gradient.apply(x, partition, of_weight, ctx.group, ctx.backend)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *arguments: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        return _one_by_one(_Gradient.apply)(info, in_dims, *arguments)


class _Change(torch.autograd.Function):
    """What both derivatives of the gradient are made of; see :func:`tiled.gradient_vjp`."""

    @staticmethod
    def forward(
        x: Tensor, partition: Tensor, weight: Tensor, v: Tensor, group: int
    ) -> tuple[Tensor, Tensor]:
        """By tiles, on any device."""
        return tiled.gradient_vjp(x, partition, weight, v, group)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        """Nothing is kept."""

    @staticmethod
    def backward(ctx: Any, *_: Any) -> Any:
        """Where it would be asked for, torch would go on with zeros."""
        raise NotImplementedError(
            "log_partition is differentiable twice; use backend='reference' for third derivatives"
        )

    jvp = backward

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *arguments: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        return _one_by_one(_Change.apply)(info, in_dims, *arguments)


#: The op that torch.compile sees, opaque and so without a graph break, and its derivative.
registered = torch.library.custom_op("equiform::log_partition", _forward, mutates_args=())
registered_gradient = torch.library.custom_op(
    "equiform::log_partition_gradient", _gradient, mutates_args=()
)


def _registered_backward(ctx: Any, weight: Tensor) -> tuple[Tensor, None, None]:
    x, partition = ctx.saved_tensors
    return registered_gradient(x, partition, weight, ctx.group, ctx.backend), None, None


registered.register_fake(lambda x, group, backend: x.new_empty(x.shape[0]))
registered_gradient.register_fake(lambda x, *_: torch.empty_like(x))
registered.register_autograd(_registered_backward, setup_context=_setup_context)
registered.register_vmap(_one_by_one(registered))
registered_gradient.register_vmap(_one_by_one(registered_gradient))


def call(x: Tensor, group: int, backend: str) -> Tensor:
    """Log-partitions ``(m, d) -> (m,)``, by the registered op under torch.compile only."""
    if torch.compiler.is_compiling():
        return registered(x, group, backend)
    return _LogPartition.apply(x, group, backend)  # type: ignore[return-value]
