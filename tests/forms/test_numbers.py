"""Products in few digits, of large numbers, of NaN, and under the transforms of torch."""

import copy

import pytest
import torch
from torch._subclasses import FakeTensorMode
from torch.autograd.functional import jacobian
from torch.func import grad, hessian, jacrev, jvp, vmap

from equiform import EuclideanForm, HermitianForm, MetricForm, MinkowskiForm
from tests.cases import FORMS, JOINTS

every_form = pytest.mark.parametrize("case", FORMS + JOINTS, ids=lambda case: case.id)
every_real_form = pytest.mark.parametrize(
    "case",
    [case for case in FORMS + JOINTS if not case.form.sesquilinear],
    ids=lambda case: case.id,
)


def points(case, dtype=torch.float64, n=3, seed=0):
    dtype = dtype.to_complex() if case.form.sesquilinear else dtype
    return torch.randn(n, case.dim, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def methods(case):
    """Each public method of a form with its arguments."""
    form, x, y = case.form, points(case), points(case, seed=1)
    yield form.gram, (x, y)
    yield form.gram, (x,)
    yield form.inner, (x, y)
    yield form.coordinates, (x,)
    square = points(case, n=case.dim)
    yield form.on_coordinates, (square,)
    if hasattr(form, "apply"):
        yield form.apply, (x,)
        yield form.adjoint, (square,)


@every_form
def test_autocast_changes_nothing(case):
    for fn, args in methods(case):
        for dtype in (torch.bfloat16, torch.float16, torch.float32, torch.float64):
            if case.form.sesquilinear and dtype.itemsize == 2:
                continue
            cast = [x.to(dtype.to_complex() if x.is_complex() else dtype) for x in args]
            expected = fn(*cast)
            with torch.autocast("cpu", torch.bfloat16):
                got = fn(*cast)
            assert got.dtype == expected.dtype
            torch.testing.assert_close(got, expected)


@every_real_form
@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
def test_products_of_half_precision_are_of_float32(case, half):
    x, y = points(case).to(half), points(case, seed=1).to(half)
    for name in ("gram", "inner"):
        product = getattr(case.form, name)
        assert product(x, y).dtype == torch.float32
        torch.testing.assert_close(product(x, y), product(x.float(), y.float()))


@every_form
def test_nan_and_infinity_come_out(case):
    for fn, args in methods(case):
        for wrong in (torch.nan, torch.inf):
            for i in range(len(args)):
                bad = list(args)
                bad[i] = args[i].clone()
                bad[i][0] = wrong
                value = fn(*bad)
                if fn.__name__ == "inner":
                    assert not value[0].isfinite().any()
                elif fn.__name__ == "gram":
                    assert not value.select(-1 if i else -2, 0).isfinite().any()
                else:
                    assert not value.isfinite().all()


@every_form
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_products_overflow_to_infinity(case, dtype):
    """Of the sign of the product: no difference of two infinities."""
    size = torch.finfo(dtype).max / 1e4
    x, y = (z / z.abs().max() for z in (points(case, dtype), points(case, dtype, seed=1)))
    for name in ("gram", "inner"):
        product = getattr(case.form, name)
        wide = product(x, y)
        for left, right in ((size, size), (size, 1.0), (1.0, size), (size**0.5, size**0.5)):
            value = product(x * left, y * right)
            assert not torch.view_as_real(value + 0j).isnan().any()
            scale = float(wide.abs().max()) * left * right
            if scale < size:
                error = (value / left / right - wide).abs().max() * left * right
                assert error <= 1e3 * torch.finfo(dtype).eps * case.condition * scale
    z = (x * size).requires_grad_()
    energy = case.form.gram(z, y).abs().sum()
    if energy.isfinite():
        energy.backward()
        assert z.grad.isfinite().all()


@every_form
def test_every_transform(case):
    for fn, args in methods(copy.deepcopy(case)):
        value = fn(*args)

        def energy(*args, fn=fn):
            return (fn(*args) * fn(*args).conj()).real.sum()

        stacked = [torch.stack([x, x]) for x in args]
        torch.testing.assert_close(vmap(fn)(*stacked)[1], value)
        slope = grad(energy)(*args)
        torch.testing.assert_close(vmap(grad(energy))(*stacked)[1], slope)
        leaf = args[0].clone().requires_grad_()
        torch.testing.assert_close(torch.autograd.grad(energy(leaf, *args[1:]), leaf)[0], slope)
        # Linear or bilinear: the derivative along the arguments is the value, or twice it.
        moved = jvp(fn, args, args)[1]
        times = 2 if fn.__name__ in ("gram", "inner") else 1
        torch.testing.assert_close(moved, times * value)


@pytest.mark.slow
@every_real_form
def test_jacobians_and_second_derivatives(case):
    for fn, args in methods(copy.deepcopy(case)):

        def energy(*args, fn=fn):
            return fn(*args).square().sum()

        def slope(x, rest=args[1:], energy=energy):
            return grad(energy)(x, *rest)

        expected = jacobian(fn, args)[0]
        torch.testing.assert_close(jacrev(fn)(*args), expected)
        torch.testing.assert_close(jacobian(fn, args, vectorize=True)[0], expected)
        torch.testing.assert_close(hessian(energy)(*args), jacobian(slope, args[0]))


@pytest.mark.parametrize(
    "enter",
    [
        lambda form, x: grad(lambda x: form.gram(x).sum())(x),
        lambda form, x: jvp(form.gram, (x,), (x,)),
        lambda form, x: vmap(form.gram)(x[None]),
        lambda form, x: fake(form.gram, x),
    ],
    ids=["grad", "jvp", "vmap", "fake tensors"],
)
def test_a_form_that_is_first_used_in_a_transform_serves_after_it(enter):
    form, x = MinkowskiForm(), torch.eye(3, dtype=torch.float64)
    enter(form, x)
    assert all(type(p.sign) is torch.Tensor for _, p in vars(form)["_memo"].items() if len(p) == 3)
    torch.testing.assert_close(form.gram(x), torch.diag(torch.tensor([-1.0, 1, 1]).double()))
    assert hessian(lambda x: form.gram(x).sum())(x).isfinite().all()


def fake(fn, x):
    with FakeTensorMode() as mode:
        return fn(mode.from_tensor(x))


def compiled_and_exported(form, x):
    y = x.flip(0)

    class Products(torch.nn.Module):
        def forward(self, x, y):
            return form.gram(x), form.inner(x, y), form.coordinates(x)

    expected = Products()(x, y)
    torch._dynamo.reset()
    compiled = torch.compile(Products(), fullgraph=True, dynamic=True, backend="aot_eager")
    torch.testing.assert_close(compiled(x, y), expected)
    program = torch.export.export(Products(), (x, y))
    torch.testing.assert_close(program.module()(x, y), expected)


def test_hermitian_products_compile():
    x = torch.randn(4, 3, dtype=torch.complex128, generator=torch.Generator().manual_seed(0))
    form = HermitianForm()
    compiled = torch.compile(lambda x: form.gram(x), fullgraph=True, dynamic=True, backend="eager")
    torch.testing.assert_close(compiled(x), x @ x.mH)


@pytest.mark.slow
@every_form
def test_compile_and_export(case):
    compiled_and_exported(case.form, points(case))


@pytest.mark.parametrize("form", [EuclideanForm(), MetricForm(torch.eye(2))], ids=repr)
def test_integers_and_other_devices_are_refused(form):
    for dtype in (torch.int64, torch.bool, torch.uint8):
        x = torch.ones(2, 2, dtype=dtype)
        for use in (form.apply, form.coordinates, form.adjoint, form.on_coordinates, form.gram):
            with pytest.raises(TypeError, match=rf"floating-point embeddings, got {dtype}"):
                use(x)
    x = torch.eye(2)
    for use in (form.gram, form.inner):
        with pytest.raises(ValueError, match=r"one device, got cpu and meta; use \.to\(device\)"):
            use(x, x.to("meta"))
        assert use(x.to("meta"), x.to("meta")).device.type == "meta"
