"""Smooth callables under the transforms of torch.func, batched cotangents, compiled, exported."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.func import grad, hessian, jacrev, jvp, vmap

from tests.contract.call import Call, floating
from tests.contract.outcomes import floats
from tests.contract.table import CALLS

pytestmark = pytest.mark.filterwarnings("ignore")
SMOOTH = [
    pytest.param(call, marks=[pytest.mark.slow] if call.whole else [], id=call.id)
    for call in CALLS
    if call.smooth and call.transforms
]
#: Compiling takes seconds: these here, the others in the full grid.
STEP = {"PairwiseEquivarianceLoss", "InfoNCELoss", "CARELoss"}
COMPILED = [
    pytest.param(call, marks=[] if call.id in STEP else [pytest.mark.slow], id=call.id)
    for call in CALLS
    if call.smooth and call.transforms and not call.whole
]


def real(x: Tensor) -> Tensor:
    """Real and imaginary parts."""
    return torch.view_as_real(x.resolve_conj().resolve_neg()) if x.is_complex() else x


class Scalar:
    """The sum of a call's results as a function of its points, and the points."""

    def __init__(self, call: Call, n: int = 5) -> None:
        inputs = call.make(n)
        self.names = floating(inputs)
        self.points = tuple(inputs.pop(name) for name in self.names)
        self.call, self.others = call, inputs

    def __call__(self, *points: Tensor) -> Tensor:
        result = self.call.function(**dict(zip(self.names, points, strict=True)), **self.others)
        return real(floats(result)[0]).sum()

    def gradients(self, *points: Tensor) -> tuple[Tensor, ...]:
        """By one backward pass."""
        leaves = [x.detach().clone().requires_grad_() for x in points]
        value = self(*leaves)
        if not value.requires_grad:  # a constant
            return tuple(torch.zeros_like(x) for x in points)
        return torch.autograd.grad(value, leaves, materialize_grads=True)

    def hessian(self) -> Tensor:
        """By backward passes of the backward pass, for the first set of points."""
        x, *others = self.points
        x = x.detach().clone().requires_grad_()
        value = self(x, *others)
        if not value.requires_grad:
            return torch.zeros(0)
        (g,) = torch.autograd.grad(value, x, create_graph=True)
        rows = [
            torch.autograd.grad(entry, x, retain_graph=True, materialize_grads=True)[0]
            for entry in real(g).flatten()
            if entry.requires_grad
        ]
        return torch.stack(rows) if rows else torch.zeros(0)


def of_vmap(f: Scalar) -> None:
    sets = tuple(torch.stack([x, x]) for x in f.points)
    got = vmap(lambda *points: f(*points))(*sets)
    torch.testing.assert_close(got, torch.stack([f(*f.points)] * 2), rtol=1e-7, atol=1e-9)


def of_grad(f: Scalar) -> None:
    want = f.gradients(*f.points)
    for transform in (grad, jacrev):
        got = transform(lambda *points: f(*points), argnums=tuple(range(len(f.points))))(*f.points)
        torch.testing.assert_close(got, want, rtol=1e-6, atol=1e-8)


def of_vmap_grad(f: Scalar) -> None:
    sets = tuple(torch.stack([x, x]) for x in f.points)
    got = vmap(grad(lambda *points: f(*points)))(*sets)
    want = f.gradients(*f.points)[0]
    torch.testing.assert_close(got, torch.stack([want] * 2), rtol=1e-6, atol=1e-8)


def of_jvp(f: Scalar) -> None:
    tangents = tuple(torch.randn_like(x) for x in f.points)
    _, got = jvp(lambda *points: f(*points), f.points, tangents)
    gradients = f.gradients(*f.points)
    want = sum((g.conj() * t).real.sum() for g, t in zip(gradients, tangents, strict=True))
    torch.testing.assert_close(got, want, rtol=1e-6, atol=1e-8)


def of_batched_cotangents(f: Scalar) -> None:
    leaves = [x.detach().clone().requires_grad_() for x in f.points]
    value = f(*leaves)
    if not value.requires_grad:
        return
    got = torch.autograd.grad(
        value, leaves, torch.tensor([1.0, -2.0]).to(value), is_grads_batched=True, allow_unused=True
    )
    for g, want in zip(got, f.gradients(*f.points), strict=True):
        if g is not None:
            torch.testing.assert_close(g, torch.stack([want, -2 * want]), rtol=1e-6, atol=1e-8)


def of_backward_twice(f: Scalar) -> None:
    assert not f.hessian().isnan().any()


def of_hessian(f: Scalar) -> None:
    x, *others = f.points
    got = hessian(lambda x: f(x, *others))(x)
    want = f.hessian()
    if want.numel() == got.numel():
        torch.testing.assert_close(got.reshape(want.shape), want, rtol=1e-5, atol=1e-7)
    assert not got.isnan().any()


TRANSFORMS: dict[str, Callable[[Scalar], None]] = {
    "vmap": of_vmap,
    "grad": of_grad,
    "vmap(grad)": of_vmap_grad,
    "jvp": of_jvp,
    "batched cotangents": of_batched_cotangents,
    "backward twice": of_backward_twice,
    "hessian": of_hessian,
}
REAL = {"jvp", "hessian", "grad", "vmap(grad)"}


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("call", SMOOTH)
def test_transforms_agree_with_backward_passes(call: Call, transform: str) -> None:
    f = Scalar(call)
    if transform in REAL and any(x.is_complex() for x in f.points):
        pytest.skip("torch.func differentiates real numbers")
    holds(call, transform, lambda: TRANSFORMS[transform](f))


def holds(call: Call, transform: str, check: Callable[[], None]) -> None:
    """Run a check, which must hold, or be refused in the words that the table has."""
    if transform not in call.refuses:
        check()
        return
    with pytest.raises(Exception, match=call.refuses[transform]):
        check()


@pytest.mark.parametrize("call", COMPILED)
def test_it_compiles_without_a_graph_break(call: Call) -> None:
    f = Scalar(call)
    torch._dynamo.reset()

    def check() -> None:
        compiled: Any = torch.compile(
            lambda *points: f(*points), fullgraph=True, dynamic=True, backend="aot_eager"
        )
        for n in (5, 7):
            points = Scalar(call, n).points
            leaves = [x.detach().clone().requires_grad_() for x in points]
            value = compiled(*leaves)
            got = tuple(torch.zeros_like(x) for x in points)
            if value.requires_grad:
                got = torch.autograd.grad(value, leaves, materialize_grads=True)
            torch.testing.assert_close(value.detach(), f(*points), rtol=1e-7, atol=1e-9)
            torch.testing.assert_close(got, f.gradients(*points), rtol=1e-6, atol=1e-8)

    holds(call, "compile", check)


@pytest.mark.parametrize("call", COMPILED)
def test_it_is_exported(call: Call) -> None:
    f = Scalar(call)

    class Exported(torch.nn.Module):
        def forward(self, *points: Tensor) -> Tensor:
            return f(*points)

    def check() -> None:
        program = torch.export.export(Exported(), f.points)
        torch.testing.assert_close(program.module()(*f.points), f(*f.points))

    holds(call, "export", check)
