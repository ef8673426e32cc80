"""Measures under vmap, functional derivatives, forward mode and the compiler."""

from functools import partial

import pytest
import torch
from torch.func import grad, hessian, jacrev, jvp, vmap

from equiform import EuclideanForm, MinkowskiForm, functional

N, D = 7, 3


def of_first(measure):
    return lambda b, a: measure(b)


MEASURES = {
    "effective_rank": of_first(functional.effective_rank),
    "effective_rank of a form": of_first(partial(functional.effective_rank, form=MinkowskiForm())),
    "relative_equivariance": functional.relative_equivariance,
    "relative_equivariance of a form": partial(
        functional.relative_equivariance, form=MinkowskiForm()
    ),
    "relative_equivariance_care": functional.relative_equivariance_care,
    "cosine_spread": functional.cosine_spread,
}
every_measure = pytest.mark.parametrize("name", MEASURES)


def pair(*batch):
    return torch.randn(2, *batch, N, D, dtype=torch.float64)


@every_measure
def test_vmap_is_a_loop(name):
    measure, (b, a) = MEASURES[name], pair(3)
    expected = torch.stack([measure(*sets) for sets in zip(b, a, strict=True)])
    torch.testing.assert_close(vmap(measure)(b, a), expected)
    torch.testing.assert_close(measure(b, a), expected)
    gradients = torch.stack([grad(measure)(*sets) for sets in zip(b, a, strict=True)])
    torch.testing.assert_close(vmap(grad(measure))(b, a), gradients)
    torch.testing.assert_close(
        jacrev(measure)(b, a).diagonal(dim1=0, dim2=1).movedim(-1, 0), gradients
    )


@every_measure
def test_derivatives_are_those_of_differences(name):
    measure, (b, a) = MEASURES[name], pair()
    along = torch.randn_like(b)
    value, slope = jvp(lambda b: measure(b, a), (b,), (along,))
    torch.testing.assert_close(value, measure(b, a))
    h = 1e-4
    ahead, behind = measure(b + h * along, a), measure(b - h * along, a)
    # Of a difference: h² from the next order, and the rounding of values over h.
    torch.testing.assert_close(slope, (ahead - behind) / (2 * h), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close((grad(measure)(b, a) * along).sum(), slope)
    second = hessian(measure)(b, a)
    curvature = (along * (second * along).sum((-2, -1))).sum()
    difference = (ahead - 2 * value + behind) / h**2
    torch.testing.assert_close(curvature, difference, rtol=1e-4, atol=1e-4)
    x = b.clone().requires_grad_()
    (twice,) = torch.autograd.grad(measure(x, a), x, create_graph=True)
    cotangents = torch.eye(N * D, dtype=b.dtype).view(N * D, N, D)
    (batched,) = torch.autograd.grad(twice, x, cotangents, is_grads_batched=True)
    torch.testing.assert_close(batched.view(N, D, N, D), second)


@every_measure
@pytest.mark.slow
def test_it_compiles_whole(name):
    measure = MEASURES[name]
    torch.compiler.reset()
    compiled = torch.compile(measure, fullgraph=True, dynamic=True, backend="aot_eager")
    for n in (N, N + 4):
        b, a = torch.randn(2, n, D, dtype=torch.float64)
        x, y = b.clone().requires_grad_(), b.clone().requires_grad_()
        torch.testing.assert_close(compiled(x, a), measure(y, a))
        compiled(x, a).backward()
        measure(y, a).backward()
        torch.testing.assert_close(x.grad, y.grad)


@pytest.mark.parametrize("rows", ["orthonormal", "one point"])
@pytest.mark.parametrize(
    "name", ["relative_equivariance", "relative_equivariance_care", "cosine_spread"]
)
def test_second_derivatives_are_finite_where_nothing_moves_and_at_zero(name, rows):
    measure = MEASURES[name]
    b = torch.eye(D).double() if rows == "orthonormal" else torch.ones(N, D).double()
    for x, y in ((b, b), (0 * b, b), (0 * b, 0 * b)):
        assert hessian(measure)(x, y).isfinite().all()
        assert grad(measure)(x, y).isfinite().all()


def test_wahba_error_has_gradients():
    b, a = pair(2)
    group = EuclideanForm().isometry_group(D)
    assert torch.autograd.gradcheck(
        partial(functional.wahba_error, group=group), (b.requires_grad_(), a.requires_grad_())
    )
