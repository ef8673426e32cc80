"""Every differentiable method under every transform of torch, and second derivatives everywhere."""

import pytest
import torch
from torch.autograd.functional import jacobian
from torch.func import grad, hessian, jacfwd, jacrev, jvp, vmap

from equiform.manifolds import Hyperboloid, Sphere
from tests.manifolds.methods import MANIFOLDS, arguments, call, every_method, table


def close(got, expected):
    torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-9)


@every_method
def test_maps_and_derivatives_agree_with_a_loop_of_backward(manifold, name, letters):
    given = arguments(manifold, n=2)
    args = tuple(given[key] for key in letters)
    fn = call(manifold, name)
    value = fn(*args)

    def energy(*args):
        return fn(*args).square().sum()

    close(vmap(fn)(*(torch.stack([x, x]) for x in args)), torch.stack([value, value]))
    expected = jacobian(fn, args)
    own = tuple(range(len(args)))
    for got in (jacrev(fn, own)(*args), jacfwd(fn, own)(*args)):
        close(got, expected)
    twice = jacobian(lambda x: grad(energy)(x, *args[1:]), args[0])
    close(hessian(energy)(*args), twice)


@pytest.mark.slow
@every_method
def test_more_transforms_agree(manifold, name, letters):
    given = arguments(manifold, n=2)
    args = tuple(given[key] for key in letters)
    fn = call(manifold, name)

    def energy(*args):
        return fn(*args).square().sum()

    expected = jacobian(fn, args)
    close(jacobian(fn, args, vectorize=True), expected)  # batched cotangents
    value, moved = jvp(fn, args, tuple(torch.ones_like(x) for x in args))
    close(moved, sum(j.flatten(value.ndim).sum(-1) for j in expected))
    close(vmap(grad(energy))(*(torch.stack([x, x]) for x in args))[1], grad(energy)(*args))
    close(jacfwd(jacfwd(energy))(*args), hessian(energy)(*args))


def degenerate(manifold):
    """Arguments at which lengths or distances are zero, or points opposite."""
    given = arguments(manifold, n=2)
    o = manifold.origin(2, given["x"].shape[-1], dtype=torch.float64).data
    zero = {key: torch.zeros_like(given[key]) for key in "uvwza"}
    yield given | zero | {"y": given["x"].clone()}
    yield given | zero | {"x": o, "y": o.clone()}
    if isinstance(manifold, Sphere):
        yield given | {"y": -given["x"]}


@every_method
def test_second_derivatives_are_finite_where_lengths_are_zero(manifold, name, letters):
    fn = call(manifold, name)
    for given in degenerate(manifold):
        args = tuple(given[key] for key in letters)
        for power in (1, 2):

            def energy(*args, power=power):
                return (fn(*args) ** power).sum()

            own = tuple(range(len(args)))
            for second in hessian(energy, own)(*args):
                assert all(block.isfinite().all() for block in second)


@pytest.mark.parametrize("manifold", MANIFOLDS, ids=repr)
def test_dist2_has_the_second_derivative_of_a_squared_length(manifold):
    """Along exp, the Hessian of dist² at coincident points is twice the metric."""
    given = arguments(manifold, n=1)
    x, u, v = (given[key][0] for key in "xuv")
    zero = torch.zeros(2, dtype=torch.float64)

    def energy(s):
        return manifold.dist2(x, manifold.expmap(x, s[0] * u + s[1] * v))

    a, b, c = (manifold.inner(x, *pair) for pair in ((u, u), (u, v), (v, v)))
    close(hessian(energy)(zero), 2 * torch.stack([torch.stack([a, b]), torch.stack([b, c])]))
    close(energy(zero + 0.3), manifold.dist(x, manifold.expmap(x, 0.3 * (u + v))).square())
    far = 9 * u / manifold.norm(x, u) if isinstance(manifold, Hyperboloid) else 3 * u / u.norm()
    end = manifold.expmap(x, far)
    close(manifold.dist2(x, end), manifold.dist(x, end).square())
    if isinstance(manifold, Hyperboloid):
        origin = manifold.origin(4, dtype=torch.float64).data

        def radius(z):
            return manifold.dist2(origin, manifold.projx(torch.cat([zero[:1], z])))

        close(hessian(radius)(x[1:] * 0), 2 * torch.eye(3, dtype=torch.float64))


def compiled_and_exported(manifold, name):
    given = arguments(manifold, torch.float32)
    args = tuple(given[key].requires_grad_() for key in table(manifold)[name])
    fn = call(manifold, name)
    expected = fn(*args)
    torch._dynamo.reset()
    got = torch.compile(fn, fullgraph=True, dynamic=True, backend="aot_eager")(*args)
    torch.testing.assert_close(got, expected)
    slopes = (torch.autograd.grad(x.square().sum(), args) for x in (got, expected))
    torch.testing.assert_close(*slopes)

    class Module(torch.nn.Module):
        def forward(self, *args):
            return fn(*args)

    program = torch.export.export(Module(), tuple(x.detach() for x in args))
    torch.testing.assert_close(program.module()(*args), expected)


@pytest.mark.parametrize("manifold", MANIFOLDS, ids=repr)
def test_exp_accelerates_along_its_point(manifold):
    """At u = 0 its second derivative is -|u|² x on the sphere, |u|² x / k on the hyperboloid."""
    given = arguments(manifold, n=1)
    x, u = given["x"][0], given["u"][0]
    zero = torch.zeros((), dtype=torch.float64)
    second = jacfwd(jacfwd(lambda s: manifold.expmap(x, s * u)))(zero)
    bend = -1.0 if isinstance(manifold, Sphere) else 1 / manifold.k.item()
    close(second, bend * manifold.inner(x, u) * x)


def test_distances_between_all_rows_compile():
    x = arguments(Hyperboloid())["x"].requires_grad_()
    fn = Hyperboloid().pairwise_dist
    got = torch.compile(fn, fullgraph=True, dynamic=True, backend="eager")(x)
    close(got, fn(x))
    close(torch.autograd.grad(got.sum(), x), torch.autograd.grad(fn(x).sum(), x))


@pytest.mark.slow
@every_method
def test_every_method_compiles_and_exports(manifold, name, letters):
    compiled_and_exported(manifold, name)
