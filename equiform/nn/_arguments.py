"""What is asked of the sizes of modules, and of what comes into them."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

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


def check_images(name: str, x: Tensor, channels: int) -> None:
    """Raise unless x are floating images ``(n, channels, h, w)``."""
    shape = f"(n, {channels}, h, w)"
    if not isinstance(x, Tensor):
        remedy = "" if x is None else f"; use torch.as_tensor({name})"
        raise TypeError(f"{name} must be a tensor {shape}, got {type(x).__name__}{remedy}")
    if x.ndim != 4 or x.shape[1] != channels or 0 in x.shape[2:]:
        raise ValueError(f"{name} must have shape {shape}, got {tuple(x.shape)}")
    if not x.is_floating_point():
        remedy = f"use {name} / 255 for values up to 255, or {name}.float()"
        raise TypeError(f"{name} must be floating-point, got {x.dtype}; {remedy}")


def check_like_parameters(name: str, x: Tensor, module: nn.Module) -> None:
    """Raise unless a module's parameters are of the dtype, and on the device, of what comes in."""
    weight = next(module.parameters(), None)
    if weight is None:
        return
    if x.device != weight.device:
        where = f"on {weight.device}, as the module is, got {x.device}"
        raise ValueError(f"{name} must be {where}; use {name}.to(...), or module.to(...)")
    # Autocast brings all but double precision to one dtype.
    casts = torch.float64 not in (x.dtype, weight.dtype)
    casts = casts and torch.is_autocast_enabled(x.device.type)
    if x.dtype != weight.dtype and not casts:
        which = f"{weight.dtype}, as the module is, got {x.dtype}"
        raise TypeError(f"{name} must be {which}; use {name}.to(...), or module.to(...)")


def check_normalizable(name: str, x: Tensor, norm: nn.Module, shrink: int = 1) -> None:
    """Raise unless a batch norm in train mode gets two values a channel, of images shrunk so."""
    values = len(x) * math.prod([-(-side // shrink) for side in x.shape[2:]])
    if norm.training and values < 2:
        raise ValueError(
            f"{name} must give batch norms two values a channel or more in train mode, got "
            f"{tuple(x.shape)}; use a larger batch, or module.eval()"
        )
