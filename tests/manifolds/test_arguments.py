"""What a user may give by mistake to any method of any manifold, and what is said then."""

import inspect

import pytest
import torch

from equiform.manifolds import Hyperboloid, Sphere

ROWS = {"pairwise_dist", "similarity", "pairwise_log_cosh_dist"}
#: Where None stands for no point: the plain product, and its root.
NO_POINT = {("inner", "x"), ("component_inner", "x"), ("norm", "x"), ("norm", "u")}


def methods(manifold):
    """Public methods that take points or vectors, with the names of those that they need."""
    for name in sorted(set(dir(type(manifold))) - set(dir(torch.nn.Module))):
        method = getattr(type(manifold), name)
        if name.startswith(("_", "check_", "assert_")) or not inspect.isfunction(method):
            continue
        parameters = list(inspect.signature(method).parameters.values())
        needed = [p.name for p in parameters if p.name in "xyzuv" and p.default is p.empty]
        if needed or name == "norm":
            yield name, needed or ["x", "u"]


CASES = [
    pytest.param(manifold, name, needed, id=f"{manifold.name}-{name}")
    for manifold in (Sphere(), Hyperboloid())
    for name, needed in methods(manifold)
]


def call(manifold, name, needed, **given):
    """The method on three rows of ones, but for what is given."""
    rows = dict.fromkeys(needed, torch.ones(3, 4)) | given
    rest = {"t": 0.5} if name == "geodesic_unit" else {}
    return getattr(manifold, name)(**rows, **rest)


@pytest.mark.parametrize(("manifold", "name", "needed"), CASES)
def test_valid_arguments_pass(manifold, name, needed):
    call(manifold, name, needed)


@pytest.mark.parametrize("wrong", [[[1.0, 2.0]], torch.ones(3, 4).numpy(), None, 1.0], ids=repr)
@pytest.mark.parametrize(("manifold", "name", "needed"), CASES)
def test_what_is_no_tensor(manifold, name, needed, wrong):
    for argument in needed:
        lorentz = isinstance(manifold, Hyperboloid)
        if wrong is None and lorentz and (name, argument) in NO_POINT:
            continue
        got = type(wrong).__name__
        with pytest.raises(TypeError, match=rf"^{argument} must be a tensor of shape .* got {got}"):
            call(manifold, name, needed, **{argument: wrong})


@pytest.mark.parametrize(("manifold", "name", "needed"), CASES)
def test_tensors_of_the_wrong_kind(manifold, name, needed):
    for argument in needed:
        for wrong in (torch.ones(3, 4, dtype=torch.int64), torch.ones(3, 4) + 1j):
            with pytest.raises(TypeError, match=rf"^{argument} must be real floating-point, got"):
                call(manifold, name, needed, **{argument: wrong})


@pytest.mark.parametrize(("manifold", "name", "needed"), CASES)
def test_shapes_that_do_not_go_together(manifold, name, needed):
    for argument in needed:
        with pytest.raises(ValueError, match=rf"^{argument} must have shape .* got shape \(\)"):
            call(manifold, name, needed, **{argument: torch.tensor(1.0)})
        few = torch.ones(3, 0 if argument == "z" else 1)
        with pytest.raises(ValueError, match=rf"^{argument} on the .* at least two coordinates"):
            call(manifold, name, needed, **{argument: few})
        if len(needed) == 1 and name not in ROWS:
            continue
        other = {} if len(needed) > 1 else {"y": torch.ones(3, 4)}
        with pytest.raises(ValueError, match=r"\(3, 5\).* do not go together"):
            call(manifold, name, needed, **other, **{argument: torch.ones(3, 5)})
        wrong = torch.ones(2, 3, 4) if name in ROWS else torch.ones(2, 4)
        others = {key: torch.ones(3, 3, 4) for key in [*needed, *other]} if name in ROWS else {}
        with pytest.raises(ValueError, match=rf"{argument} of shape .* do not go together"):
            call(manifold, name, needed, **{**others, argument: wrong})


@pytest.mark.parametrize("manifold", [Sphere(), Hyperboloid()], ids=repr)
def test_rows_are_two_axes(manifold):
    for name in ROWS & set(dir(manifold)):
        with pytest.raises(ValueError, match=r"^x must have shape \(\.\.\., n, d\).*x\[None\]"):
            getattr(manifold, name)(torch.ones(4))


def test_methods_of_a_subclass_are_checked_too():
    class Mine(Sphere):
        def closeness(self, x, y=None):
            return self.similarity(x, y)

    x = torch.eye(3)
    torch.testing.assert_close(Mine().closeness(x), x)
    with pytest.raises(TypeError, match=r"^x must be a tensor"):
        Mine().closeness(x.tolist())
    with pytest.raises(ValueError, match=r"^y must have shape \(\.\.\., n, d\)"):
        Mine().closeness(x, x[0])


def test_an_axis_that_is_not_there():
    with pytest.raises(ValueError, match=r"an axis dim=2, got shape \(3, 4\)"):
        Hyperboloid().dist(torch.ones(3, 4), torch.ones(3, 4), dim=2)


@pytest.mark.parametrize("manifold", [Sphere(), Hyperboloid()], ids=repr)
def test_geoopts_checks_ask_for_tensors_too(manifold):
    x, u = manifold.project(torch.eye(3)), torch.zeros(3, 3)
    for kind in ("check_", "assert_check_"):
        for wrong, got in (([1.0, 2.0], "list"), (None, "NoneType"), (x.numpy(), "ndarray")):
            for name in ("point", "point_on_manifold"):
                with pytest.raises(TypeError, match=rf"^x must be a tensor .* got {got}"):
                    getattr(manifold, kind + name)(wrong)
            with pytest.raises(TypeError, match=rf"^u must be a tensor .* got {got}"):
                getattr(manifold, kind + "vector")(wrong)
        with pytest.raises(
            ValueError, match=r"^x of shape .* and u of shape .* do not go together"
        ):
            getattr(manifold, kind + "vector_on_tangent")(x, u[:, :2])
        with pytest.raises(TypeError, match=r"^x must be real floating-point"):
            getattr(manifold, kind + "point_on_manifold")(x.long())
    assert not manifold.check_point(torch.ones(3, 1))
    assert not manifold.check_vector(torch.tensor(1.0))


@pytest.mark.parametrize("manifold", [Sphere(), Hyperboloid()], ids=repr)
def test_devices_that_do_not_go_together(manifold):
    x = manifold.project(torch.eye(3))
    with pytest.raises(ValueError, match=r"^x on cpu and y on meta.* do not go together; move"):
        manifold.dist(x, x.to("meta"))
    if isinstance(manifold, Hyperboloid):
        with pytest.raises(ValueError, match=r"^z on meta and the manifold on cpu do not go"):
            manifold.project(x.to("meta"))


@pytest.mark.parametrize("manifold", [Sphere(), Hyperboloid()], ids=repr)
def test_what_new_points_are_asked_for(manifold):
    for new in (manifold.random, manifold.origin):
        for dtype in (torch.int64, torch.complex64, "float32"):
            with pytest.raises(
                TypeError, match=r"^dtype must be a floating-point torch.dtype, got"
            ):
                new(2, 3, dtype=dtype)
        for size in ((2.0, 3), ("a", 3), (2, True)):
            with pytest.raises(TypeError, match=r"^size must be an int, got"):
                new(*size)
        with pytest.raises(ValueError, match=r"^size must be at least 0, got size=-2"):
            new(-2, 3)
        assert new(0, 3).shape == (0, 3)


def test_times_and_axes_are_numbers():
    manifold = Hyperboloid()
    x = manifold.project(torch.eye(3))
    for t in ([0.5], None, "1"):
        with pytest.raises(TypeError, match=r"^t must be a number or a tensor of them, got"):
            manifold.geodesic_unit(t, x, torch.zeros_like(x))
    for dim in (1.0, None, True):
        with pytest.raises(TypeError, match=r"^dim must be an int, got"):
            manifold.dist(x, x, dim=dim)
    with pytest.raises(TypeError, match="positional argument"):
        manifold.dist(x, x, 0, 1)


@pytest.mark.parametrize("wrong", [torch.nan, torch.inf])
@pytest.mark.parametrize("manifold", [Sphere(), Hyperboloid()], ids=repr)
def test_nan_and_infinity_are_not_made_into_a_number(manifold, wrong):
    x = manifold.project(torch.eye(3)).clone()
    bad = torch.full_like(x, wrong)
    for name in ("dist", "logmap", "expmap", "transp"):
        args = (bad, x, x)[: 3 if name == "transp" else 2]
        assert not getattr(manifold, name)(*args).isfinite().any(), name
    for name in ("pairwise_dist", "similarity"):
        assert not getattr(manifold, name)(bad, x).isfinite().any(), name
    assert manifold.projx(torch.full((2, 3), torch.nan)).isnan().any(-1).all()
    assert manifold.project(torch.full((2, 3), torch.nan)).isnan().any(-1).all()


@pytest.mark.parametrize("manifold", [Sphere(), Hyperboloid()], ids=repr)
def test_the_checks_compile_and_map(manifold):
    x = manifold.project(torch.randn(5, 3, generator=torch.Generator().manual_seed(0)))
    mapped = torch.func.vmap(manifold.dist, in_dims=(0, None))(x, x[0])
    torch.testing.assert_close(mapped, manifold.dist(x, x[0]))
    compiled = torch.compile(manifold.dist, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(x, x[0]), manifold.dist(x, x[0]))
