"""What is asked of embeddings where they come in, and the dtypes that are answered in."""

import reprlib

import torch
from torch import Tensor
from torch._C._functorch import (
    get_unwrapped,
    is_functorch_wrapped_tensor,
    is_legacy_batchedtensor,
)


def check_points(
    shape: str = "(..., n, d)",
    *,
    real: bool = False,
    finite: bool = False,
    empty: bool = False,
    **sets: Tensor,
) -> None:
    """Raise unless all are embeddings of one shape, all real or all complex.

    Args:
        shape: ``"(n, d)"`` for one set of points, ``"(..., n, d)"`` for batches of sets too, and
            ``"(..., d, d)"`` for square matrices.
        real: whether complex numbers are refused.
        finite: whether NaN and infinity are refused, for what no factorisation can take.
        empty: whether there may be no points.
        sets: the embeddings, by the names that the user knows them by.
    """
    for name, x in sets.items():
        if not isinstance(x, Tensor):
            raise TypeError(
                f"{name} must be a tensor of embeddings {shape}, got {type(x).__name__}"
                + ("" if x is None else f"; use torch.as_tensor({name})")
            )
        if not (x.is_floating_point() or x.is_complex()):
            raise TypeError(
                f"{name} must be floating-point or complex, got {x.dtype}; use {name}.float()"
            )
        if real and x.is_complex():
            remedy = f"use torch.view_as_real({name}).flatten(-2)"
            raise TypeError(f"{name} must be real, got {x.dtype}; {remedy}")
        square = shape != "(..., d, d)" or x.shape[-1:] == x.shape[-2:-1]
        if x.ndim < 2 or (x.ndim > 2 and shape == "(n, d)") or not square:
            remedy = f"; use {name}[None] for one embedding" if x.ndim == 1 else ""
            raise ValueError(f"{name} must have shape {shape}, got {tuple(x.shape)}{remedy}")
        if x.shape[-1] == 0 or (x.shape[-2] == 0 and not empty):
            raise ValueError(
                f"{name} must hold at least one embedding {shape}, got {tuple(x.shape)}"
            )
    names, values = " and ".join(sets), list(sets.values())
    if len({x.shape for x in values}) > 1:
        shapes = " and ".join(str(tuple(x.shape)) for x in values)
        raise ValueError(f"{names} must have one shape {shape}, got {shapes}")
    if len({x.is_complex() for x in values}) > 1:
        dtypes = " and ".join(str(x.dtype) for x in values)
        raise TypeError(f"{names} must be all real or all complex, got {dtypes}")
    check_one_device(**sets)
    if finite:
        for name, x in sets.items():
            if x.is_meta:
                raise ValueError(f"{name} must hold numbers, got a meta tensor")
            if not x.isfinite().all():
                raise ValueError(f"{name} must be finite, got NaN or infinity in {tuple(x.shape)}")


def check_offsets(name: str, ptr: Tensor, pos: Tensor) -> None:
    """Raise unless they are where clouds begin among points, and how many these are."""
    what = f"{name} must be an int64 tensor (num_clouds + 1,) of where clouds begin"
    if not isinstance(ptr, Tensor) or ptr.dtype != torch.int64:
        got = ptr.dtype if isinstance(ptr, Tensor) else type(ptr).__name__
        raise TypeError(f"{what}, got {got}")
    if ptr.ndim != 1 or not len(ptr):
        raise ValueError(f"{what}, got shape {tuple(ptr.shape)}")
    if ptr.device != pos.device:
        raise ValueError(f"{what}, on {pos.device} as the points, got it on {ptr.device}")
    # No graph can branch on values.
    wrong = (ptr.diff() < 0).any() | (ptr[0] != 0) | (ptr[-1] != len(pos))
    if not torch.compiler.is_compiling() and wrong:
        given = f"{len(pos)}, got {reprlib.repr(ptr.tolist())}"
        raise ValueError(f"{what}, from 0 upward to the number of points, {given}")


def check_one_device(**tensors: Tensor) -> None:
    """Raise unless all are on one device."""
    if len({x.device for x in tensors.values()}) > 1:
        devices = " and ".join(str(x.device) for x in tensors.values())
        names = " and ".join(tensors)
        raise ValueError(f"{names} must be on one device, got {devices}; use .to(device)")


def check_weights(weights: Tensor, points: Tensor) -> None:
    """Raise unless weights of points are real numbers from 0 on, one for each."""
    if not isinstance(weights, Tensor) or weights.is_complex():
        got = weights.dtype if isinstance(weights, Tensor) else type(weights).__name__
        raise TypeError(f"weights must be a tensor of real numbers, got {got}")
    negative = decidable(weights) and bool((weights < 0).any())
    if weights.shape != points.shape[:-1] or negative:
        raise ValueError(
            f"weights must be nonnegative of shape {tuple(points.shape[:-1])}, "
            f"got shape {tuple(weights.shape)}"
        )


def at_least(dtype: torch.dtype, *sets: Tensor) -> list[Tensor]:
    """All in their common precision, but at least that of a real dtype."""
    for x in sets:
        dtype = torch.promote_types(dtype, x.dtype)
    return [x.to(dtype) for x in sets]


def real_dtype(*sets: Tensor) -> torch.dtype:
    """The dtype of a measure: real, of the precision of the embeddings, at least float32."""
    return at_least(torch.float32, *sets)[0].real.dtype


def squared_modulus(z: Tensor) -> Tensor:
    """|z|², entry by entry, real; ``abs().square()`` has a wrong second derivative at 0."""
    return (z * z.conj()).real if z.is_complex() else z.square()


def decidable(x: Tensor) -> bool:
    """Whether values are there to raise an error on: not in a graph, on meta, or under torch.func.

    What is not checked there is to come out as NaN.
    """
    return values(x) is x


def values(x: Tensor) -> Tensor | None:
    """x as a plain tensor, of all items of a vmap at once; None where no value is known."""
    # Batched cotangents have wrappers of their own, which do not come off.
    if torch.compiler.is_compiling() or x.is_meta or is_legacy_batchedtensor(x):
        return None
    while is_functorch_wrapped_tensor(x):
        x = get_unwrapped(x)
    return x


def anywhere(condition: Tensor) -> bool:
    """Whether a condition holds anywhere; True where no value is known.

    For what may be left out where it holds nowhere, such as the rest of an iteration.
    """
    seen = values(condition)
    return seen is None or bool(seen.any())
