"""The Triton kernels of the Gram difference against its definition in float64.

On a GPU they are compiled; elsewhere they run in Triton's interpreter, which checks indices, masks
and reductions but neither precision nor whether the compiler accepts them. The last test compiles
them for a GPU, which needs none.
"""

import itertools
import os
import subprocess
import sys

import pytest
import torch
import triton.language as tl
from triton.runtime.interpreter import InterpretedFunction

from equiform import EuclideanForm, IndefiniteForm, MinkowskiForm, SymplecticForm
from equiform.ops.gram_difference import reference
from equiform.ops.gram_difference.signed_permutation import lower
from equiform.ops.gram_difference.triton_config import (
    LAUNCH,
    Configs,
    ForwardConfig,
    FusedConfig,
    MomentsConfig,
    SmallConfig,
)
from equiform.ops.gram_difference.triton_forward import forward
from equiform.ops.gram_difference.triton_fused import fused
from equiform.ops.gram_difference.triton_gram import triton_gram
from equiform.ops.gram_difference.triton_moments import moments
from equiform.ops.gram_difference.triton_small import small
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
    """The keywords of a route for a kind of pairs; masks are not symmetric."""
    shape = {"mask": (n, n), "masks": (c, n, n)}.get(pairs)
    mask = None if shape is None else torch.rand(shape, device=DEVICE) < 0.6
    return {"exclude_diagonal": pairs in ("off_diagonal", "masks"), "mask": mask}


def by_autograd(a, b, form, **pairs):
    a, b = (x.detach().double().requires_grad_() for x in (a, b))
    loss = reference.gram_difference(a, b, form, **pairs)
    return loss.detach(), *torch.autograd.grad(loss.sum(), (a, b))


def operator(form, a):
    (j,) = lower(form, a.shape[-1], a.dtype, a.device)
    return j.simplified()


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
    j = operator(form, a)
    expected = by_autograd(a, b, form, **pairs)
    copies = a.clone(), b.clone()
    results = fused(a, b, j, config=config.fused, **pairs)
    assert_near(results, expected, a.dtype)
    loss = forward(a, b, j, config=config.forward, **pairs)
    assert_near([loss], expected[:1], a.dtype)
    if a.shape[1] <= 64:
        results = small(a, b, j, need_grad=True, config=config.small, **pairs)
        assert_near(results, expected, a.dtype)
    assert torch.equal(a, copies[0])
    assert torch.equal(b, copies[1])


REAL_FORMS = [case for case in FORMS if not case.form.sesquilinear]


@pytest.mark.parametrize("case", REAL_FORMS, ids=lambda case: case.id)
@pytest.mark.parametrize("pairs", ["all", "masks"])
def test_every_form(case, pairs, dtype):
    a, b = points(2, 19, case.dim, dtype)
    check(a, b, case.form, **keywords(pairs, 2, 19))


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
    loss = forward(a, b, j, config=TINY.forward, max_programs=programs, **pairs)
    assert_near([loss], by_autograd(a, b, SymplecticForm(), **pairs)[:1], torch.float64)


@pytest.mark.parametrize(("c", "n"), [(0, 5), (2, 0), (1, 5), (1, 64), (1, 65), (3, 70)])
@pytest.mark.parametrize("need_grad", [False, True])
def test_route(c, n, need_grad, dtype):
    form = SymplecticForm()
    a, b = points(c, n, 4, dtype)
    pairs = keywords("masks", c, n)
    results = triton_gram(a, b, operator(form, a), need_grad=need_grad, **pairs)
    expected = by_autograd(a, b, form, **pairs)
    if not need_grad:
        expected = expected[0], *expected[0].new_empty(2, 0)
    assert_near(results, expected, dtype)
    again = triton_gram(a, b, operator(form, a), need_grad=need_grad, **pairs)
    assert all(map(torch.equal, results, again))


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
        call = {"exclude_diagonal": False, "need_grad": need_grad}
        assert_near([triton_gram(a, b, j, mask=mask, **call)[0]], [expected], a.dtype)
        assert not triton_gram(a, b, j, mask=None, **call)[0].isfinite()


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


COMPILE = """
import sys, torch, triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from equiform.ops.gram_difference import triton_forward, triton_fused, triton_moments, triton_small
from equiform.ops.gram_difference.triton_config import LAUNCH

DOUBLE = {"partials", "workspace", "moments"}
POINTERS = {"a", "b", "sign", "grad_a", "grad_b"}

def compile_kernel(kernel, dtype, config, none, constants):
    def type_of(name):
        if name in none or name in constants:
            return "constexpr"
        if name in POINTERS or (name == "partials" and kernel is triton_small._small_kernel):
            return f"*{dtype}"
        return {"index": "*i64", "mask": "*u8"}.get(name, "*fp64" if name in DOUBLE else "i32")

    constants = constants | dict.fromkeys(none)
    names = kernel.arg_names
    constants = {name: value for name, value in constants.items() if name in names}
    signature = {name: type_of(name) for name in names}
    source = ASTSource(kernel, signature, {(names.index(k),): v for k, v in constants.items()})
    options = {"num_warps": config.num_warps, "num_stages": config.num_stages}
    binary = triton.compile(source, target=GPUTarget("cuda", 90, 32), options=options)
    assert binary.asm["cubin"]

whole = sys.argv[1] == "whole"
entries = [
    ({"float32": "fp32", "float64": "fp64"}[dtype], configs)
    for entry in LAUNCH.entries.values()
    for dtype, by_width in entry.items()
    for _, configs in by_width
]
for dtype, configs in entries if whole else entries[-1:]:
    for none in ({"index", "sign", "mask"}, set()) if whole else (set(),):
        flags = {"EXCLUDE_DIAGONAL": not none}
        c = configs.small
        blocks = {"BLOCK_M": c.rows, "BLOCK_N": 64, "BLOCK_D": c.depth, "PRECISION": "ieee"}
        for grads in (set(), {"grad_a", "grad_b"}) if whole else (set(),):
            compile_kernel(triton_small._small_kernel, dtype, c, none | grads, flags | blocks)
        c = configs.fused
        blocks |= {"BLOCK_M": c.rows, "BLOCK_N": c.columns, "BLOCK_D": c.depth, "BLOCK_G": c.width}
        compile_kernel(triton_fused._fused_kernel, dtype, c, none, flags | blocks)
        c = configs.forward
        blocks |= {"BLOCK_M": c.side, "BLOCK_D": c.depth}
        compile_kernel(triton_forward._forward_kernel, dtype, c, none, flags | blocks)
    c = configs.moments
    blocks = {"BLOCK": c.side, "BLOCK_N": c.points}
    # One point of one coordinate: Triton takes arguments that are 1 for constants.
    for ones in ({}, {"n": 1, "d": 1, "points": 1, "splits": 1, "a_row": 1}) if whole else ({},):
        compile_kernel(triton_moments._partial_kernel, dtype, c, set(), blocks | ones)
        compile_kernel(triton_moments._reduce_kernel, dtype, c, set(), blocks | ones)
"""


@pytest.mark.parametrize("extent", ["float64", pytest.param("whole", marks=pytest.mark.slow)])
def test_the_compiler_accepts_the_kernels(extent, tmp_path):
    """For sm_90, in a process of its own without the interpreter; nothing is run.

    float64 and a mask are where it has refused what the interpreter accepted.
    """
    environment = os.environ | {"TRITON_CACHE_DIR": str(tmp_path)}
    environment.pop("TRITON_INTERPRET", None)
    command = [sys.executable, "-W", "ignore", "-c", COMPILE, extent]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-3000:]
