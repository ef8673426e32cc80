"""The Gram difference under torch's transforms: opcheck, compile, functorch, inference mode."""

import pytest
import torch

from equiform import (
    EuclideanForm,
    HermitianForm,
    MinkowskiForm,
    PairwiseEquivarianceLoss,
    SymplecticForm,
)
from equiform.ops import gram_difference
from equiform.ops.gram_difference.autograd import registered
from tests.cases import FORMS, JOINTS

every_form = pytest.mark.parametrize("case", FORMS + JOINTS, ids=lambda case: case.id)
every_backend = pytest.mark.parametrize("backend", ["auto", "gram", "moments", "reference"])


def double(form):
    return torch.complex128 if form.sesquilinear else torch.float64


@pytest.mark.parametrize("route", ["gram", "moments"])
def test_opcheck(route):
    a, b = torch.randn(2, 2, 5, 4, dtype=torch.float64)
    index, sign = torch.tensor([2, 3, 0, 1]), torch.tensor([-1.0, -1, 1, 1], dtype=torch.float64)
    mask = torch.rand(5, 5) > 0.5 if route == "gram" else None
    for grad in (False, True):
        a.requires_grad_(grad)
        b.requires_grad_(grad)
        torch.library.opcheck(registered, (a, b, index, sign, -1, mask, True, route, grad))


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.filterwarnings("ignore:Dynamo detected a call to a `functools.lru_cache`:UserWarning")
@pytest.mark.parametrize(
    ("n", "options"),
    [(20, {}), (400, {}), (20, {"center": True, "normalization": "relative"})],
)
@every_form
def test_compiles_without_graph_breaks(case, n, options):
    torch.compiler.reset()  # what was compiled for other forms counts as recompilation
    loss = PairwiseEquivarianceLoss(case.form, **options)
    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    dtype = torch.complex64 if case.form.sesquilinear else torch.float32
    a, b = (torch.randn(2, n, case.dim, dtype=dtype, requires_grad=True) for _ in range(2))
    got, want = compiled(a, b), loss(a, b)
    torch.testing.assert_close(got, want)
    torch.testing.assert_close(
        torch.autograd.grad(got.sum(), a), torch.autograd.grad(want.sum(), a)
    )


def test_functorch_transforms():
    a, b = torch.randn(2, 3, 6, 4, dtype=torch.float64)
    mask = torch.rand(3, 6, 6) > 0.5
    form = MinkowskiForm()
    got = torch.func.vmap(lambda x, y: gram_difference(x, y, form))(a, b)
    torch.testing.assert_close(got, gram_difference(a, b, form))
    got = torch.func.vmap(lambda x: gram_difference(x, b[0], form))(a)
    torch.testing.assert_close(got, gram_difference(a, b[:1].expand_as(a), form))
    got = torch.func.vmap(lambda x, y, m: gram_difference(x, y, form, mask=m))(a, b, mask)
    torch.testing.assert_close(got, gram_difference(a, b, form, mask=mask))
    gradients = torch.func.vmap(torch.func.grad(lambda x, y: gram_difference(x, y, form)))(a, b)
    x = a.clone().requires_grad_()
    gram_difference(x, b, form).sum().backward()
    torch.testing.assert_close(gradients, x.grad)


def test_nothing_is_kept_of_an_inference_mode():
    a, b = torch.randn(2, 5, 6)
    form = SymplecticForm()
    with torch.inference_mode():
        gram_difference(a, b, form)
    a.requires_grad_()
    gram_difference(a, b, form).backward()
    assert a.grad is not None


def test_errors_name_the_argument():
    a = torch.ones(3, 4)
    with pytest.raises(ValueError, match="one shape"):
        gram_difference(a, a[:2], EuclideanForm())
    with pytest.raises(ValueError, match="one shape"):
        gram_difference(a[0], a[0], EuclideanForm())
    with pytest.raises(ValueError, match="backend"):
        gram_difference(a, a, EuclideanForm(), backend="fastest")
    with pytest.raises(ValueError, match="even"):
        gram_difference(a[:, :3], a[:, :3], SymplecticForm())
    with pytest.raises(TypeError, match="complex"):
        gram_difference(a, a, HermitianForm())
