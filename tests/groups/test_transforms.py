"""What torch.func, second derivatives and compiled graphs make of the groups."""

import pytest
import torch
from torch.func import grad, hessian, jacfwd, jacrev, jvp, vmap

from equiform import (
    EuclideanForm,
    HermitianForm,
    MinkowskiForm,
    Moments,
    Orthochronous,
    SpecialOrthogonal,
    SymplecticForm,
    steer,
)
from tests.cases import GROUPS, JOINTS, METRICS
from tests.groups._cases import data, each_group

every_group = each_group()
#: Fits of a graph: without descent.
CLOSED = [
    SpecialOrthogonal(3),
    HermitianForm().isometry_group(2),
    METRICS[0].form.isometry_group(3),
    JOINTS[0].form.isometry_group(4),
    Orthochronous(3),
]


def loss(group):
    """A real function of points and weights, whose weights of entries tell them apart."""

    def function(source, target, weights):
        fit = group.recover(source, target, weights=weights, anchor=0.1)
        entries = torch.arange(group.dim**2).view(group.dim, group.dim)
        return fit.residual + (fit.matrix * entries).real.sum()

    return function


@every_group
def test_fits_under_vmap_and_grad(group):
    given = data(group)
    points = given.source, given.noisy, given.weights
    function = loss(group)
    fit = group.recover(*points[:2], weights=points[2], anchor=0.1)
    mapped = vmap(lambda b, a, w: group.recover(b, a, weights=w, anchor=0.1))(*points)
    for x, y in zip(mapped, fit, strict=True):
        torch.testing.assert_close(x, y, rtol=1e-8, atol=1e-8)
    leaves = [x.clone().requires_grad_() for x in points]
    expected = torch.autograd.grad(sum(map(function, *leaves)), leaves)
    found = vmap(grad(function, argnums=(0, 1, 2)))(*points)
    for x, y in zip(found, expected, strict=True):
        torch.testing.assert_close(x, y, rtol=1e-6, atol=1e-6)


@every_group
def test_jacobians_of_fits_agree_in_both_modes_and_batched(group):
    given = data(group)
    real = not group.form.sesquilinear
    noisy = given.noisy[0]

    def entries(x):
        matrix = group.recover(x if real else torch.view_as_complex(x), noisy).matrix
        return matrix if real else torch.view_as_real(matrix)

    x = given.source[0] if real else torch.view_as_real(given.source[0])
    reverse = jacrev(entries)(x)
    torch.testing.assert_close(jacfwd(entries)(x), reverse, rtol=1e-6, atol=1e-7)
    leaf = x.clone().requires_grad_()
    out = entries(leaf).flatten()
    eye = torch.eye(len(out), dtype=out.dtype)
    (batched,) = torch.autograd.grad(out, leaf, eye, is_grads_batched=True)
    torch.testing.assert_close(batched.view_as(reverse), reverse, rtol=1e-6, atol=1e-7)


@every_group
def test_second_derivatives_of_fits(group):
    given = data(group)
    real = not group.form.sesquilinear
    function = loss(group)
    # Far from an exact fit, where all derivatives of the residual are large.
    target = given.noisy[0] + 0.1 * torch.randn_like(given.noisy[0])

    def of_source(x):
        source = x if real else torch.view_as_complex(x)
        return function(source, target, given.weights[0])

    x = given.source[0] if real else torch.view_as_real(given.source[0])
    direction, h = torch.randn_like(x), 1e-4
    gradient = grad(of_source)
    _, found = jvp(gradient, (x,), (direction,))
    ahead, behind = gradient(x + h * direction), gradient(x - h * direction)
    scale = float(found.abs().max())
    # An error of the second order in h, and rounding over h.
    torch.testing.assert_close((ahead - behind) / (2 * h), found, rtol=0, atol=1e-4 * scale)
    leaf = x.clone().requires_grad_()
    (first,) = torch.autograd.grad(of_source(leaf), leaf, create_graph=True)
    (twice,) = torch.autograd.grad((first * direction).sum(), leaf)
    torch.testing.assert_close(twice, found, rtol=1e-6, atol=1e-6 * scale)


@every_group
def test_elements_under_transforms(group):
    given = data(group)
    moment = given.elements.mH @ given.elements
    arguments = {"exp": given.algebra, "balance": moment}
    for name in ("exp", "polar", "project_algebra", "residual", "balance", "contains", "component"):
        function, m = getattr(group, name), arguments.get(name, given.elements)
        torch.testing.assert_close(vmap(function)(m), function(m))
        if name in ("contains", "component"):
            continue
        # At elements of the group, where singular values meet.
        point = m + 0.01 * torch.eye(group.dim) if name == "polar" else m

        def size(x, function=function):
            value = function(x)
            return (value * value.conj()).real.sum() + value.real.sum()

        assert vmap(grad(size))(point).isfinite().all()
        assert jvp(function, (point,), (torch.randn_like(m),))[1].isfinite().all()
        leaf = point.clone().requires_grad_()
        if not size(leaf).requires_grad:
            continue  # as the balance of a compact group, which is constant
        (first,) = torch.autograd.grad(size(leaf), leaf, create_graph=True)
        if first.requires_grad:
            (second,) = torch.autograd.grad((first * first.conj()).real.sum(), leaf)
            assert second.isfinite().all()


@every_group
def test_extensions_under_vmap(group):
    given = data(group)
    mapped = vmap(group.extend)(given.source, given.exact)
    torch.testing.assert_close(mapped, given.elements)
    # Along any axis, of one argument or both.
    other = vmap(group.extend, in_dims=(1, 0))(given.source.movedim(0, 1), given.exact)
    torch.testing.assert_close(other, given.elements)
    one = vmap(group.extend, in_dims=(None, 0))(given.source[0], given.exact[:1])
    torch.testing.assert_close(one, given.elements[:1])


@pytest.mark.parametrize(
    "group",
    [g.isometry_group(4) for g in (EuclideanForm(), MinkowskiForm(), SymplecticForm())],
    ids=repr,
)
def test_derivatives_of_elements(group):
    noise = torch.randn(2, 4, 4, dtype=torch.float64)
    t = group.sample(2, rapidity=0.5, dtype=torch.float64)
    m = t @ torch.linalg.matrix_exp(0.1 * (noise + group.form.adjoint(noise)))
    m.requires_grad_()
    functions = [group.exp, group.polar]
    if not group.is_compact:
        functions.append(lambda x: group.balance(x.mT @ x))
    for function in functions:
        assert torch.autograd.gradcheck(function, m, fast_mode=True)
        assert torch.autograd.gradgradcheck(function, m, fast_mode=True, atol=1e-4)
    assert torch.autograd.gradcheck(group.residual, m, fast_mode=True)


def test_the_hessian_of_a_residual_is_finite_at_a_member():
    group = EuclideanForm().isometry_group(3)
    for t in (torch.eye(3), group.sample()):
        assert hessian(group.residual)(t).isfinite().all()


def compiled(function):
    torch.compiler.reset()
    return torch.compile(function, fullgraph=True, dynamic=True, backend="aot_eager")


def test_a_fit_compiles():
    b, a = torch.randn(2, 7, 3)
    fit = SpecialOrthogonal(3).recover(b, a)
    for x, y in zip(compiled(SpecialOrthogonal(3).recover)(b, a), fit, strict=True):
        torch.testing.assert_close(x, y)


@pytest.mark.slow
@pytest.mark.parametrize("group", CLOSED, ids=repr)
def test_fits_and_their_gradients_compile(group):
    given = data(group)
    points = given.source, given.noisy, given.weights

    def fit(b, a, w):
        return group.recover(b, a, weights=w, anchor=0.1)

    graph = compiled(fit)
    for n in (3, 2):
        own = [x[:n] for x in points]
        for x, y in zip(graph(*own), fit(*own), strict=True):
            torch.testing.assert_close(x, y)
    gradients = []
    for call in (graph, fit):
        leaves = [x.clone().requires_grad_() for x in points]
        total = (call(*leaves).matrix.real * torch.arange(group.dim)).sum()
        gradients.append(torch.autograd.grad(total, leaves))
    for x, y in zip(*gradients, strict=True):
        torch.testing.assert_close(x, y)


@pytest.mark.slow
@pytest.mark.parametrize(
    "group", [*CLOSED[1:4], MinkowskiForm().isometry_group(3), GROUPS[20].group], ids=repr
)
def test_elements_compile(group):
    given = data(group)
    cases = {"exp": 20 * given.algebra, "balance": given.elements.mH @ given.elements}
    for name in ("exp", "polar", "residual", "balance", "contains", "component", "project_algebra"):
        m = cases.get(name, given.elements)
        # Without the returns to the group that a graph has no length for.
        close = {"rtol": 1e-9, "atol": 1e-9} if name != "contains" else {}
        torch.testing.assert_close(
            compiled(getattr(group, name))(m), getattr(group, name)(m), **close
        )


@pytest.mark.slow
def test_a_graph_of_the_exponential_ends_somewhere():
    group = SpecialOrthogonal(3)
    xi = group.project_algebra(torch.randn(2, 3, 3))
    graph = compiled(group.exp)
    torch.testing.assert_close(graph(100 * xi), group.exp(100 * xi))
    assert graph(1e9 * xi).isinf().all()
    assert group.contains(group.exp(1e9 * xi)).all()


def test_what_a_graph_cannot_do_is_said():
    group = MinkowskiForm().isometry_group(3)
    b = torch.randn(4, 3)
    for call in (group.recover, group.extend, SpecialOrthogonal(3).extend):
        with pytest.raises(Exception, match=r"outside of torch\.compile"):
            compiled(call)(b, b)
        with pytest.raises(NotImplementedError, match=r"outside of torch\.compile"):
            call(b.to("meta"), b.to("meta"))


@pytest.mark.slow
def test_fits_are_exported():
    class Fit(torch.nn.Module):
        def forward(self, b, a):
            return SpecialOrthogonal(3).recover(b, a).matrix

    b, a = torch.randn(2, 7, 3)
    exported = torch.export.export(Fit(), (b, a))
    torch.testing.assert_close(exported.module()(b, a), Fit()(b, a))


def test_what_cannot_be_checked_comes_out_as_nan():
    group = MinkowskiForm().isometry_group(2)
    swap = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    factors = vmap(group.polar)(torch.stack([torch.eye(2), swap]))
    assert factors[0].isfinite().all()
    assert factors[1].isnan().all()
    b = torch.randn(2, 5, 3)
    weights = torch.ones(2, 5)
    weights[1, 0] = -1
    fits = vmap(lambda x, w: SpecialOrthogonal(3).recover(x, x, weights=w))(b, weights)
    assert fits.matrix[0].isfinite().all()
    assert fits.matrix[1].isnan().all()
    assert fits.residual.isnan().tolist() == [False, True]


def test_points_that_leave_a_fit_open_are_carried_exactly_under_vmap_too():
    group = MinkowskiForm().isometry_group(4)
    t = group.sample(3, rapidity=2.0, dtype=torch.float64)
    b = torch.randn(3, 2, 4, dtype=torch.float64)
    fits = vmap(group.recover)(b, b @ t.mT)
    assert fits.residual.max() < 1e-9
    assert group.contains(fits.matrix, rtol=1e-10).all()


def test_steering_and_moments_under_transforms():
    z, t = torch.randn(3, 5, 4), torch.randn(3, 4, 4)
    torch.testing.assert_close(vmap(steer)(z, t), steer(z, t))
    torch.testing.assert_close(compiled(steer)(z, t), steer(z, t))
    mapped = vmap(lambda b, a: Moments.of(b, a).cross)(z, z)
    torch.testing.assert_close(mapped, Moments.of(z, z).cross)
    assert hessian(lambda x: steer(x, t[0]).square().sum())(z[0]).isfinite().all()
