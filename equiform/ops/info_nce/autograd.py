"""The log-partition op as torch knows it: registered, differentiable twice, compilable."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from equiform.ops.info_nce import tiled
from equiform.ops.info_nce.routes import route


def _forward(x: Tensor, group: int, backend: str) -> Tensor:
    return route(backend, x).log_partition(x, group, range(len(x)))


def _gradient(x: Tensor, partition: Tensor, weight: Tensor, group: int, backend: str) -> Tensor:
    rows = range(len(x))
    return route(backend, x).gradient(x, partition, weight.contiguous(), group, rows)


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    x, ctx.group, ctx.backend = inputs
    ctx.save_for_backward(x, output)


class _LogPartition(torch.autograd.Function):
    """The op outside torch.compile: the registered one loads torch's compiler on its first call."""

    forward = staticmethod(_forward)
    setup_context = staticmethod(_setup_context)

    @staticmethod
    def backward(ctx: Any, weight: Tensor) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        x, partition = ctx.saved_tensors
        return _Gradient.apply(x, partition, weight, ctx.group, ctx.backend), None, None


class _Gradient(torch.autograd.Function):
    """Its derivative, itself differentiable once; the second derivative is by tiles everywhere."""

    forward = staticmethod(_gradient)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        *tensors, ctx.group, _ = inputs
        ctx.save_for_backward(*tensors)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, v: Tensor) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        # In x, ℓ and w held apart: ℓ has a graph of its own, which leads autograd on to x.
        x, partition, weight = ctx.saved_tensors
        in_x, slope = tiled.gradient_vjp(x, partition, weight, v, ctx.group)
        return in_x, -weight * slope, slope, None, None


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


def call(x: Tensor, group: int, backend: str) -> Tensor:
    """Log-partitions ``(m, d) -> (m,)``, by the registered op under torch.compile only."""
    if torch.compiler.is_compiling():
        return registered(x, group, backend)
    return _LogPartition.apply(x, group, backend)  # type: ignore[return-value]
