"""The checks of the first stage: one function a kind, each against float64 by another route.

Each returns its largest error as a part of the bound. Rounding errors of random sign grow as the
root of the number of terms: a product of d coordinates summed over n points is taken to be right
within :math:`ε (16 + \\sqrt d + \\sqrt n)` of the largest number in the result, or of 1, since the
points have norms of at most 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor

from benchmarks.gpu.parameters import with_precision
from equiform import (
    BilinearForm,
    EuclideanForm,
    HermitianForm,
    Hyperboloid,
    IndefiniteForm,
    MinkowskiForm,
    SplitForm,
    SymplecticForm,
)
from equiform.functional import info_nce, pairwise_equivariance
from equiform.ops import gram_difference, log_partition
from equiform.ops.gram_difference.triton.moments import moments

FORMS: dict[str, Callable[[int], BilinearForm]] = {
    "euclidean": lambda d: EuclideanForm(),
    "minkowski": lambda d: MinkowskiForm(),
    "symplectic": lambda d: SymplecticForm(),
    "indefinite": lambda d: IndefiniteForm(d // 2, d - d // 2),
    "split": lambda d: SplitForm(),
    "hermitian": lambda d: HermitianForm(),
}


def fits(form: str, d: int) -> bool:
    """Whether embeddings of d coordinates can have the form."""
    if form in ("symplectic", "split"):
        return d % 2 == 0
    return d > 1 or form not in ("minkowski", "indefinite")


def bound(dtype: torch.dtype, n: int, d: int) -> float:
    """The part of its largest number, or of 1, that a result may be wrong by."""
    return torch.finfo(dtype).eps * (16 + d**0.5 + n**0.5)


def compare(results: Sequence[Tensor], oracle: Sequence[Tensor], limit: float) -> float:
    """The largest error over the limit; NaN in a result is an error."""
    parts = []
    for result, expected in zip(results, oracle, strict=True):
        assert result.shape == expected.shape, f"shape {result.shape} for {expected.shape}"
        if not expected.numel():
            continue
        scale = max(1.0, float(expected.abs().max()))
        error = (result.to(expected.dtype) - expected).abs().max().item() / scale
        assert error <= limit, f"error {error:.2e} of the largest number, {limit:.2e} allowed"
        parts.append(error / limit)
    return max(parts, default=0.0)


def same_bits(first: Sequence[Tensor], second: Sequence[Tensor]) -> None:
    """Raise unless two calls gave the same."""
    assert all(map(torch.equal, first, second)), "the same call gave other bits"


def points(c: int, n: int, d: int, dtype: torch.dtype, device: str, layout: str) -> Tensor:
    """Points of norm 1/2 to 1, laid out by rows, by columns, or with gaps of NaN."""
    x = torch.nn.functional.normalize(torch.randn(c, n, d, dtype=dtype, device=device), dim=-1)
    x = x * (1 + torch.rand(c, n, 1, device=device)) / 2
    x = x.to(dtype)
    if layout == "columns":
        return x.mT.contiguous().mT
    if layout == "strided":
        wide = torch.full((c, 3 * n, 2 * d), torch.nan, dtype=dtype, device=device)
        wide[:, 1::3, ::2] = x
        return wide[:, 1::3, ::2]
    return x


def gram(
    *, device: str, route: str, form: str, c: int, n: int, d: int, dtype: str, pairs: str,
    layout: str, precision: str = "ieee",
) -> float:  # fmt: skip
    """A route of the Gram difference: loss and gradients, and the loss alone."""
    product, real = FORMS[form](d), getattr(torch, dtype)
    kind = torch.promote_types(real, torch.complex32) if product.sesquilinear else real
    a, b = (points(c, n, d, kind, device, layout) for _ in range(2))
    shape = {"mask": (n, n), "masks": (c, n, n)}.get(pairs)
    mask = None if shape is None else torch.rand(shape, device=device) < 0.6
    cotangent = torch.randn(c, dtype=real, device=device)
    keywords: dict[str, Any] = {
        "mask": mask,
        "exclude_diagonal": pairs in ("off_diagonal", "masks"),
    }

    def value_and_gradients(a: Tensor, b: Tensor, backend: str) -> list[Tensor]:
        a, b = a.detach().requires_grad_(), b.detach().requires_grad_()
        loss = gram_difference(a, b, product, backend=backend, **keywords)
        return [loss.detach(), *torch.autograd.grad(loss, (a, b), cotangent.to(loss.dtype))]

    wide = torch.promote_types(kind, torch.float64)
    oracle = value_and_gradients(a.to(wide), b.to(wide), "reference")
    copies = a.clone(), b.clone()
    with nullcontext() if precision == "ieee" else with_precision(precision):
        results = value_and_gradients(a, b, route)
        same_bits(results, value_and_gradients(a, b, route))
        with torch.no_grad():
            loss = gram_difference(a, b, product, backend=route, **keywords)
    same_bits([a, b], copies)
    # Three or six products in lower precision are a few bits behind one in float32; and what the
    # rotation of the gauge lacks of being orthogonal is common to all pairs.
    limit = bound(real, n, d) * (1 if precision == "ieee" and route != "gauge" else 4)
    return compare([*results, loss], [*oracle, oracle[0]], limit)


def moments_kernel(*, device: str, c: int, n: int, d: int, dtype: str) -> float:
    """The split-K moments, in float64 whatever the dtype."""
    a, b = (points(c, n, d, getattr(torch, dtype), device, "rows") for _ in range(2))
    z = torch.cat([a, b], dim=-1).double()
    results = [moments(a, b) for _ in range(2)]
    same_bits(results[:1], results[1:])
    return compare(results[:1], [z.mT @ z], bound(torch.float64, n, d))


def partition(*, device: str, route: str, n: int, d: int, dtype: str, group: int) -> float:
    """A route of the log-partition, and its gradient."""
    kind = getattr(torch, dtype)
    x = points(1, n * group, d, kind, device, "strided")[0]
    weight = torch.randn(len(x), dtype=kind, device=device) * (n > 1)

    def value_and_gradient(x: Tensor, backend: str) -> list[Tensor]:
        x = x.detach().requires_grad_()
        value = log_partition(x, group=group, backend=backend)
        return [value.detach(), *torch.autograd.grad(value, x, weight.to(x.dtype))]

    oracle = value_and_gradient(x.double(), "reference")
    results = value_and_gradient(x, route)
    same_bits(results, value_and_gradient(x, route))
    if n == 1:  # nothing to contrast with
        assert (results[0] == -torch.inf).all(), "one group has no others"
        results, oracle = results[1:], oracle[1:]
    return compare(results, oracle, bound(kind, n * group, d))


def hyperbolic(*, device: str, n: int, d: int, dtype: str) -> float:
    """InfoNCE by geodesic distance: value and gradients."""
    kind, hyperboloid = getattr(torch, dtype), Hyperboloid()
    z = hyperboloid.project(torch.randn(2, n, d, dtype=kind, device=device))

    def value_and_gradient(z: Tensor) -> list[Tensor]:
        z = z.detach().requires_grad_()
        loss = info_nce(*z, manifold=hyperboloid)
        return [loss.detach(), *torch.autograd.grad(loss, z)]

    results, oracle = value_and_gradient(z), value_and_gradient(z.double())
    same_bits(results, value_and_gradient(z))
    # Products are differences of numbers as large as squares of time coordinates, and a distance
    # is right to a time coordinate's worth less.
    return compare(results, oracle, bound(kind, n, d) * float(z[..., 0].max()))


def compiled(*, device: str, loss: str, n: int, d: int, rehearse: bool) -> float:
    """A loss under torch.compile, without a graph break, beside itself."""
    of = {"pairwise": pairwise_equivariance, "info_nce": info_nce}[loss]
    z1, z2 = torch.randn(2, n, d, device=device)

    def value_and_gradient(function: Callable[[Tensor, Tensor], Tensor]) -> list[Tensor]:
        x, y = z1.clone().requires_grad_(), z2.clone().requires_grad_()
        value = function(x, y)
        return [value.detach(), *torch.autograd.grad(value, (x, y))]

    step = torch.compile(of, fullgraph=True, backend="aot_eager" if rehearse else "inductor")
    results = value_and_gradient(step)
    return compare(results, value_and_gradient(of), bound(torch.float32, n, d))


def derivatives(*, device: str, op: str, route: str) -> float:
    """First and second derivatives by finite differences, in float64."""
    a, b = torch.randn(2, 1, 4, 2, dtype=torch.float64, device=device).requires_grad_()
    if op == "gram":
        of = [lambda a, b: gram_difference(a, b, SymplecticForm(), backend=route), (a, b)]
    else:
        of = [lambda x: log_partition(x, backend=route), (a[0],)]
    assert torch.autograd.gradcheck(*of)
    assert torch.autograd.gradgradcheck(*of)
    return 0.0


def offsets(*, device: str, elements: int) -> float:
    """So many chunks that offsets overflow 32 bits: the last is as right as the first."""
    n, d = 16, 128
    c = elements // (n * d) + 3
    if device == "cuda":
        free, _ = torch.cuda.mem_get_info()
        assert free > 7 * 4 * elements, f"not checked: {free / 2**30:.0f} GiB are free"
    torch.use_deterministic_algorithms(False)  # filling so much with NaN takes longer than the rest
    a, b = (torch.randn(c, n, d, device=device) / d**0.5 for _ in range(2))
    a.requires_grad_()
    loss = gram_difference(a, b, EuclideanForm(), backend="triton")
    (gradient,) = torch.autograd.grad(loss.sum(), a)
    ends = torch.tensor([0, c // 2, c - 1], device=device)
    x, y = a.detach()[ends].double().requires_grad_(), b[ends].double()
    expected = gram_difference(x, y, EuclideanForm(), backend="reference")
    oracle = [expected.detach(), *torch.autograd.grad(expected.sum(), x)]
    return compare([loss.detach()[ends], gradient[ends]], oracle, bound(torch.float32, n, d))
