"""The Triton kernels of the Gram difference against its definition in float64.

On a GPU they are compiled; elsewhere they run in Triton's interpreter, which checks indices, masks
and reductions but neither precision nor whether the compiler accepts them: test_triton_compiler.py.
"""

import itertools

import pytest
import torch
import triton.language as tl
from triton.runtime.interpreter import InterpretedFunction

from equiform import EuclideanForm, IndefiniteForm, MinkowskiForm, SymplecticForm
from equiform.ops.gram_difference import reference
from equiform.ops.gram_difference.problem import Problem
from equiform.ops.gram_difference.triton.config import (
    LAUNCH,
    Configs,
    ForwardConfig,
    FusedConfig,
    MomentsConfig,
    SmallConfig,
)
from equiform.ops.gram_difference.triton.forward import forward
from equiform.ops.gram_difference.triton.fused import fused
from equiform.ops.gram_difference.triton.gram import triton_gram
from equiform.ops.gram_difference.triton.moments import moments
from equiform.ops.gram_difference.triton.small import small
from tests.cases import FORMS

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
if DEVICE == "cpu" and not isinstance(tl.sum, InterpretedFunction):
    raise RuntimeError("triton was imported too early: set TRITON_INTERPRET=1 in tests/conftest.py")

PAIRS = ["all", "off_diagonal", "mask", "masks"]
TOLERANCE = {torch.float32: 3e-6, torch.float64: 1e-14}

#: Blocks so small that a few points already make several of them.
TINY = Configs(
    small=SmallConfig(rows=16, depth=16, num_warps=4),
    fused=FusedConfig(rows=32, columns=16, depth=16, width=32, num_warps=4),
    forward=ForwardConfig(side=16, depth=16, num_warps=4),
    moments=MomentsConfig(side=16, points=16, num_warps=4),
)

#: Blocks so large that the interpreter, whose steps are slow, needs few of them.
HUGE = TINY._replace(
    fused=FusedConfig(rows=64, columns=64, depth=128, width=128, num_warps=8),
    forward=ForwardConfig(side=64, depth=128, num_warps=8),
    small=SmallConfig(rows=16, depth=128, num_warps=4),
)


@pytest.fixture(autouse=True)
def _poisoned_memory():
    """torch.empty holds NaN, so that an entry which no kernel writes shows."""
    torch.use_deterministic_algorithms(True, warn_only=True)
    assert torch.empty(3).isnan().all()
    yield
    torch.use_deterministic_algorithms(False)


def points(c, n, d, dtype):
    """Two sets of points of norm about 1, so that one absolute tolerance fits all sizes."""
    return torch.randn(2, c, n, d, dtype=dtype, device=DEVICE) / d**0.5


def keywords(pairs, c, n):
    """The fields of a problem for a kind of pairs; masks are not symmetric."""
    shape = {"mask": (n, n), "masks": (c, n, n)}.get(pairs)
    mask = None if shape is None else torch.rand(shape, device=DEVICE) < 0.6
    return {"exclude_diagonal": pairs in ("off_diagonal", "masks"), "mask": mask}


def by_autograd(a, b, form, **pairs):
    a, b = (x.detach().double().requires_grad_() for x in (a, b))
    loss = reference.gram_difference(a, b, form, **pairs)
    return loss.detach(), *torch.autograd.grad(loss.sum(), (a, b))


def operator(form, a):
    ((*_, (j,)),) = form.products(a)
    return j


def assert_near(results, expected, dtype):
    for result, oracle in zip(results, expected, strict=True):
        assert result.dtype == dtype
        assert result.shape == oracle.shape
        # Both scale with n, through the terms that they sum.
        scale = 1 + float(oracle.abs().max()) if oracle.numel() else 1
        torch.testing.assert_close(
            result.double(), oracle, rtol=0, atol=TOLERANCE[dtype] * scale, msg=str
        )


def check(a, b, form, *, config=TINY, **pairs):
    """Every kernel of D that can take the shape, with and without gradients."""
    problem = Problem(a, b, operator(form, a), **pairs)
    expected = by_autograd(a, b, form, **pairs)
    copies = a.clone(), b.clone()
    assert_near(fused(problem, config.fused), expected, a.dtype)
    assert_near([forward(problem, config.forward)], expected[:1], a.dtype)
    if a.shape[1] <= 64:
        assert_near(small(problem, config.small), expected, a.dtype)
    assert torch.equal(a, copies[0])
    assert torch.equal(b, copies[1])


REAL_FORMS = [case for case in FORMS if not case.form.sesquilinear]


@pytest.mark.parametrize("case", REAL_FORMS, ids=lambda case: case.id)
@pytest.mark.parametrize("pairs", ["all", "masks"])
def test_every_form(case, pairs, dtype):
    a, b = points(2, 19, case.dim, dtype)
    check(a, b, case.form.standard(), **keywords(pairs, 2, 19))


def grid(ns, ds):
    """Forms over sizes; each of them is defined on the dimensions given."""
    forms = {
        "euclidean": lambda d: EuclideanForm(),
        "minkowski": lambda d: MinkowskiForm() if d > 1 else None,
        "indefinite": lambda d: IndefiniteForm(d // 2, d - d // 2),
        "symplectic": lambda d: SymplecticForm() if d % 2 == 0 else None,
    }
    for (name, form), n, d in itertools.product(forms.items(), ns, ds):
        if form(d) is not None:
            yield pytest.param(form(d), n, d, id=f"{name}-{n}-{d}")


# The full product of the sizes is slow in the interpreter; thinned, every form meets every n, every
# n every kind of pairs, and the edges of all blocks are crossed.
THIN = [
    (EuclideanForm(), 1, 1, "all"),
    (EuclideanForm(), 2, 3, "mask"),
    (EuclideanForm(), 17, 128, "masks"),
    (EuclideanForm(), 64, 17, "off_diagonal"),
    (EuclideanForm(), 129, 3, "all"),
    (MinkowskiForm(), 1, 17, "mask"),
    (MinkowskiForm(), 2, 128, "all"),
    (MinkowskiForm(), 17, 3, "off_diagonal"),
    (MinkowskiForm(), 64, 3, "masks"),
    (MinkowskiForm(), 129, 17, "mask"),
    (SymplecticForm(), 1, 128, "masks"),
    (SymplecticForm(), 2, 4, "off_diagonal"),
    (SymplecticForm(), 17, 18, "mask"),
    (SymplecticForm(), 64, 128, "all"),
    (SymplecticForm(), 129, 18, "off_diagonal"),
    (IndefiniteForm(0, 1), 1, 1, "off_diagonal"),
    (IndefiniteForm(1, 2), 2, 3, "masks"),
    (IndefiniteForm(200, 313), 17, 513, "mask"),
    (IndefiniteForm(8, 9), 64, 17, "mask"),
    (IndefiniteForm(8, 9), 129, 17, "masks"),
]


def table_or_huge(x):
    return LAUNCH.configs_for(x) if x.shape[-1] <= 128 or DEVICE == "cuda" else HUGE


@pytest.mark.parametrize(("form", "n", "d", "pairs"), THIN)
def test_ragged_sizes(form, n, d, pairs, dtype):
    c = 3 if n < 64 and d < 128 else 1
    a, b = points(c, n, d, dtype)
    config = TINY if n <= 64 and d < 128 else table_or_huge(a)
    check(a, b, form, config=config, **keywords(pairs, c, n))


@pytest.mark.slow
@pytest.mark.parametrize(("form", "n", "d"), [*grid((1, 2, 17, 64, 129), (1, 3, 17, 18, 128, 513))])
@pytest.mark.parametrize("pairs", PAIRS)
@pytest.mark.parametrize("c", [1, 3])
def test_every_size(form, n, d, pairs, c, dtype):
    a, b = points(c, n, d, dtype)
    check(a, b, form, config=table_or_huge(a), **keywords(pairs, c, n))


def layouts(x):
    """The same points in memory by every second coordinate, by columns, and with chunks last."""
    c, n, d = x.shape
    wide = torch.full((2 * c, 3 * n, 2 * d), torch.nan, dtype=x.dtype, device=x.device)
    wide[::2, 1::3, ::2] = x
    yield wide[::2, 1::3, ::2]
    yield x.mT.contiguous().mT
    yield x.permute(1, 2, 0).contiguous().permute(2, 0, 1)


@pytest.mark.parametrize("form", [SymplecticForm(), MinkowskiForm()], ids=str)
def test_layouts(form):
    x, y = points(2, 20, 6, torch.float64)
    mask = torch.rand(20, 20, device=DEVICE) < 0.5
    for a, b in itertools.pairwise([*layouts(x), next(layouts(x))]):
        check(a, b.flip(1) + y, form, mask=mask.T, exclude_diagonal=False)
        wide = torch.zeros(2, 20, 40, dtype=torch.bool, device=DEVICE)
        wide[:, :, ::2] = mask
        check(y, a, form, mask=wide[:, :, ::2], exclude_diagonal=True)


def test_expanded_inputs():
    x, y = points(1, 18, 4, torch.float64)
    check(x.expand(3, -1, -1), y.expand(3, -1, -1), SymplecticForm(), **keywords("mask", 3, 18))
    check(x[:, :1].expand(2, 18, 4), y.expand(2, 18, 4), SymplecticForm(), **keywords("all", 2, 18))


@pytest.mark.parametrize("programs", [1, 2, 5])
def test_programs_of_several_tiles(programs):
    a, b = points(2, 50, 6, torch.float64)
    j = operator(SymplecticForm(), a)
    pairs = keywords("masks", 2, 50)
    loss = forward(Problem(a, b, j, **pairs), TINY.forward, max_programs=programs)
    assert_near([loss], by_autograd(a, b, SymplecticForm(), **pairs)[:1], torch.float64)


@pytest.mark.parametrize(("c", "n"), [(0, 5), (2, 0), (1, 5), (1, 64), (1, 65), (3, 70)])
@pytest.mark.parametrize("need_grad", [False, True])
def test_route(c, n, need_grad, dtype):
    form = SymplecticForm()
    a, b = points(c, n, 4, dtype)
    pairs = keywords("masks", c, n)
    problem = Problem(a, b, operator(form, a), need_grad=need_grad, **pairs)
    results = triton_gram(problem)
    expected = by_autograd(a, b, form, **pairs)
    if not need_grad:
        expected = expected[0], *expected[0].new_empty(2, 0)
    assert_near(results, expected, dtype)
    assert all(map(torch.equal, results, triton_gram(problem)))


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")  # numpy, in the interpreter
@pytest.mark.parametrize("value", [torch.nan, torch.inf])
@pytest.mark.parametrize("n", [20, 80])
def test_pairs_left_out_hide_what_is_not_finite_and_no_others_do(value, n):
    a, b = points(1, n, 3, torch.float64)
    j = operator(EuclideanForm(), a)
    kept = torch.arange(n, device=DEVICE) != 7
    expected, _, _ = by_autograd(a[:, kept], b[:, kept], EuclideanForm())
    a[0, 7, 1] = value
    mask = kept[:, None] & kept
    for need_grad in (False, True):
        problem = Problem(a, b, j, mask, need_grad=need_grad)
        assert_near([triton_gram(problem)[0]], [expected], a.dtype)
        assert not triton_gram(problem._replace(mask=None))[0].isfinite()


@pytest.mark.parametrize(("n", "d", "splits"), [(1, 1, 1), (5, 3, 4), (37, 18, 3), (130, 9, None)])
@pytest.mark.parametrize("c", [1, 3])
def test_moments(c, n, d, splits, dtype):
    a, b = points(c, n, d, dtype)
    z = torch.cat([a, b], -1).double()
    for x in (a, next(layouts(a))):
        m = moments(x, b, config=TINY.moments, splits=splits)
        assert m.dtype == torch.float64
        torch.testing.assert_close(m, z.mT @ z, rtol=1e-13, atol=1e-14)
        torch.testing.assert_close(m, m.mT, rtol=0, atol=1e-15)


def test_moments_of_no_points():
    for c, n in ((0, 5), (2, 0)):
        a, b = points(c, n, 3, torch.float32)
        m = moments(a, b, config=TINY.moments)
        assert torch.equal(m, m.new_zeros(c, 6, 6))


def test_moments_split_many_points():
    a, b = points(1, 1025, 3, torch.float32)
    z = torch.cat([a, b], -1).double()
    m = moments(a, b, config=LAUNCH.configs_for(a).moments)
    torch.testing.assert_close(m, z.mT @ z, rtol=1e-13, atol=1e-13)


def test_the_table_has_an_entry_for_every_size():
    for dtype, d in itertools.product((torch.float32, torch.float64), (1, 32, 33, 128, 10**6)):
        configs = LAUNCH.configs_for(torch.empty(0, d, dtype=dtype))
        assert configs.fused.width <= 32 or d > 32
