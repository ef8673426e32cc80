"""What is asked of the points and vectors that a user gives to any method of any manifold."""

from __future__ import annotations

import functools
import inspect
import itertools
import math
from collections.abc import Callable
from numbers import Real
from typing import Any

from torch import Tensor

#: What geoopt and equiform call points (x, y), vectors (u, v) and an encoder's output (z).
NAMES = frozenset("xyzuv")

#: What geoopt calls the methods that judge shapes and places.
CHECKS = ("check_", "assert_check_")


def check_positive(name: str, value: object) -> None:
    """Raise unless a parameter of a manifold is one positive finite number."""
    number = value.item() if isinstance(value, Tensor) and value.numel() == 1 else value
    if isinstance(number, bool) or not isinstance(number, Real):
        raise TypeError(f"{name} must be one positive number, got {value!r}")
    if not 0 < float(number) < math.inf:
        raise ValueError(f"{name} must be positive and finite, got {value!r}")


def checking_arguments(method: Callable[..., Any]) -> Callable[..., Any]:
    """The method, made to say by name what is wrong with a point or a vector, ``(..., d)``.

    Where y may be left out, all rows meet all rows: ``(..., n, d), (..., m, d)``. geoopt's own
    checks answer themselves whether a shape is one of points.
    """
    parameters = inspect.signature(method).parameters
    if NAMES.isdisjoint(parameters):
        return method
    optional = {
        name for name, p in parameters.items() if p.default is None or "None" in str(p.annotation)
    }
    rows = "y" in optional
    of_shape = method.__name__.startswith(CHECKS)

    @functools.wraps(method)
    def checked(self: Any, *args: Any, **kwargs: Any) -> Any:
        given: dict[str, Any] = dict(zip(parameters, (self, *args), strict=False)) | kwargs
        tensors: dict[str, Any] = {
            name: x
            for name, x in given.items()
            if name in NAMES and (x is not None or name not in optional)
        }
        dim = given.get("dim", -1)
        for name, x in tensors.items():
            _check_kind(name, x, "(..., n, d)" if rows else "(..., d)")
            if not of_shape:
                _check_shape(self, name, x, dim, rows)
        if "t" in given and not isinstance(given["t"], Tensor | Real):
            raise TypeError(f"t must be a number or a tensor of them, got {given['t']!r}")
        _check_together(self, tensors, dim, 1 + rows)
        return method(self, *args, **kwargs)

    return checked


def _check_kind(name: str, x: Any, layout: str) -> None:
    if not isinstance(x, Tensor):
        raise TypeError(
            f"{name} must be a tensor of shape {layout}, got {type(x).__name__}; "
            "make one with torch.as_tensor"
        )
    if not x.is_floating_point():
        raise TypeError(f"{name} must be real floating-point, got {x.dtype}; use .float()")


def _check_shape(manifold: Any, name: str, x: Tensor, dim: Any, rows: bool) -> None:
    if isinstance(dim, bool) or not isinstance(dim, int):
        raise TypeError(f"dim must be an int, got {dim!r}")
    if x.ndim < 1 + rows or not -x.ndim <= dim < x.ndim:
        along = "" if dim == -1 else f" with an axis dim={dim}"
        layout = "(..., n, d)" if rows else "(..., d)"
        raise ValueError(
            f"{name} must have shape {layout}{along}, got shape {tuple(x.shape)}; "
            f"one row is {name}[None]"
        )
    d = manifold.ambient_dim(x.shape[dim]) if name == "z" else x.shape[dim]
    manifold._assert_check_shape((*x.shape[:dim], *x.shape[dim:][1:], d), name)


def _check_together(manifold: Any, tensors: dict[str, Tensor], dim: int, axes: int) -> None:
    # Not asked of torch, which would say in its own words that they do not broadcast.
    coordinates = {x.shape[dim] for x in tensors.values() if x.ndim}
    shapes = (reversed(x.shape[:-axes] if axes > 1 else x.shape) for x in tensors.values())
    batches = itertools.zip_longest(*shapes, fillvalue=1)
    if len(coordinates) > 1 or any(len(set(sizes) - {1}) > 1 for sizes in batches):
        shown = " and ".join(f"{name} of shape {tuple(x.shape)}" for name, x in tensors.items())
        raise ValueError(
            f"{shown} do not go together: they need one number of coordinates and batch shapes "
            "that broadcast to each other; project makes points of an encoder's output"
        )
    devices = {name: x.device for name, x in tensors.items()}
    if manifold.device is not None:
        devices["the manifold"] = manifold.device
    if len(set(devices.values())) > 1:
        shown = " and ".join(f"{name} on {device}" for name, device in devices.items())
        raise ValueError(f"{shown} do not go together; move all to one device with .to(device)")
