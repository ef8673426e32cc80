"""Measures of any finite numbers are right, of others NaN, and the same whatever the precision."""

import numpy as np
import pytest
import torch

from equiform import EuclideanForm, MinkowskiForm, Moments, SymplecticForm, functional
from equiform.metrics import (
    CompositionDefect,
    CosineSpread,
    EffectiveRank,
    RelativeEquivariance,
    WahbaError,
    equivariance_metrics,
)

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:equiform")

N, D = 8, 3


def wahba_of(b, a):
    """W_f over O(d), by the SVD of numpy, fitted to even rows."""
    u, _, vt = np.linalg.svd(b[::2].T @ a[::2])
    error = a[1::2] - b[1::2] @ u @ vt
    return np.linalg.norm(error) / np.linalg.norm(a[1::2])


def rank_of(b, a):
    p = np.linalg.svd(b, compute_uv=False) ** 2
    p = p[p > 0] / p.sum()
    return np.exp(-(p * np.log(p)).sum())


def gamma_b_of(b, a):
    d, norm = a - b, np.linalg.norm
    change = norm(a @ a.T - b @ b.T) ** 2
    return change / (2 * norm(d @ a.T) ** 2 + 2 * norm(d @ b.T) ** 2)


def gamma_f_of(b, a):
    def squares(x, y):
        return ((x[:, None] - y[None]) ** 2).sum(-1)

    moved = ((a - b) ** 2).sum(-1)
    ratio = (squares(a, a) - squares(b, b)) ** 2 / (moved[:, None] + moved[None]) ** 2
    return ratio.mean()


def spread_of(b, a):
    norm = np.linalg.norm
    return np.var((a * b).sum(1) / (norm(a, axis=1) * norm(b, axis=1)))


MEASURES = {
    "wahba_error": (functional.wahba_error, wahba_of),
    "effective_rank": (lambda b, a: functional.effective_rank(b), rank_of),
    "effective_rank_moments": (
        lambda b, a: functional.effective_rank_moments(b.double().mT @ b.double()),
        rank_of,
    ),
    "relative_equivariance": (functional.relative_equivariance, gamma_b_of),
    "relative_equivariance_moments": (
        lambda b, a: functional.relative_equivariance_moments(Moments.of(b, a)),
        gamma_b_of,
    ),
    "relative_equivariance_care": (functional.relative_equivariance_care, gamma_f_of),
    "cosine_spread": (functional.cosine_spread, spread_of),
}
PAIRS = [name for name in MEASURES if not name.endswith("moments")]
every_measure = pytest.mark.parametrize("name", MEASURES)


def pair(dtype=torch.float64):
    return torch.randn(2, N, D, dtype=torch.float64).to(dtype)


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("power", [-1040, -700, -100, 100, 700, 1020])
def test_no_common_factor_matters(name, power):
    measure, oracle = MEASURES[name]
    b, a = pair()
    expected = oracle(b.numpy(), a.numpy())
    # A power of two rounds nothing, but leaves subnormals some 30 digits of 52.
    got = measure(
        *(x.ldexp(torch.tensor(power // 2)).ldexp(torch.tensor(power - power // 2)) for x in (b, a))
    )
    assert float(got) == pytest.approx(expected, rel=1e-12 if power > -1000 else 1e-6)


@every_measure
@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_single_precision_has_its_whole_range(name, scale):
    measure, oracle = MEASURES[name]
    b, a = (x * scale for x in pair(torch.float32))
    expected = oracle(b.double().numpy(), a.double().numpy())
    got = measure(b, a)
    assert float(got) == pytest.approx(expected, rel=1e-5)


@every_measure
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_any_precision_is_computed_in_double(name, dtype):
    measure, oracle = MEASURES[name]
    b, a = pair(dtype)
    expected = oracle(b.double().numpy(), a.double().numpy())
    got = measure(b, a)
    assert got.dtype == (torch.float64 if name.endswith("moments") else torch.float32)
    assert float(got) == pytest.approx(expected, rel=1e-5)
    with torch.autocast("cpu", torch.bfloat16):
        again = measure(b, a)
    assert again.dtype == got.dtype
    torch.testing.assert_close(again, got, rtol=1e-6, atol=0)


@every_measure
@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_nan_and_infinity_stay_with_their_set(name, value):
    measure, _ = MEASURES[name]
    b, a = torch.randn(2, 3, N, D, dtype=torch.float64)
    clean = measure(b, a)
    for where in ((1, 2, 0), (1, 2), (1,)):
        for bad in range(1 if "rank" in name else 2):
            sets = [b.clone(), a.clone()]
            sets[bad][where] = value
            got = measure(*(x.requires_grad_() for x in sets))
            assert got.isnan().tolist() == [False, True, False]
            torch.testing.assert_close(got[::2], clean[::2])
            for gradient in torch.autograd.grad(got[::2].sum(), sets, allow_unused=True):
                assert gradient is None or gradient[::2].isfinite().all()


@every_measure
@pytest.mark.parametrize("kind", ["zeros", "one point", "one point, still", "twice", "one axis"])
def test_degenerate_clouds_have_finite_values_and_gradients(name, kind):
    measure, _ = MEASURES[name]
    b, a = pair()
    if kind == "zeros":
        b, a = 0 * b, 0 * a
    elif kind.startswith("one point"):
        b, a = b[:1].repeat(N, 1), (b if "still" in kind else a)[:1].repeat(N, 1)
    elif kind == "twice":
        b, a = b.repeat(2, 1), a.repeat(2, 1)
    else:
        b[:, 1:], a[:, 1:] = 0, 0
    got = measure(b.requires_grad_(), a.requires_grad_())
    assert got.isfinite()
    for gradient in torch.autograd.grad(got, (b, a), allow_unused=True):
        assert gradient is None or gradient.isfinite().all()


@every_measure
def test_one_dimension_and_one_point(name):
    measure, oracle = MEASURES[name]
    b, a = torch.randn(2, N, 1, dtype=torch.float64)
    assert float(measure(b, a)) == pytest.approx(oracle(b.numpy(), a.numpy()), abs=1e-12)
    b, a = torch.randn(2, 1, D, dtype=torch.float64)
    if name == "wahba_error":
        with pytest.raises(ValueError, match="n=1; use held_out=False"):
            measure(b, a)
    else:
        assert float(measure(b, a)) == pytest.approx(oracle(b.numpy(), a.numpy()), abs=1e-12)
    with pytest.raises(ValueError, match="at least one embedding"):
        MEASURES[PAIRS[0]][0](b[:0], a[:0])


def test_gamma_f_keeps_its_digits_far_from_the_origin():
    b = torch.randn(N, D, dtype=torch.float64)
    # Powers of two: nothing is rounded when the cloud is moved away.
    b, a = b.float().double(), (b + 2**-12 * torch.randn_like(b)).float().double()
    far = functional.relative_equivariance_care(b + 2**16, a + 2**16)
    torch.testing.assert_close(far, functional.relative_equivariance_care(b, a), rtol=1e-6, atol=0)


@pytest.mark.parametrize("form", [MinkowskiForm(), SymplecticForm()])
def test_the_rank_of_a_form_is_that_at_any_size_and_has_a_gradient(form):
    z = torch.randn(9, 4, dtype=torch.float64)
    rank = functional.effective_rank(z, form)
    torch.testing.assert_close(functional.effective_rank(z * 2.0**600, form), rank)
    twice = z[:2].repeat(4, 1).requires_grad_()
    functional.effective_rank(twice, form).backward()
    assert twice.grad.isfinite().all()
    assert functional.effective_rank(z * torch.nan, form).isnan()


METRICS = [
    lambda: WahbaError(EuclideanForm().isometry_group(D)),
    lambda: WahbaError(EuclideanForm().isometry_group(D), num_transformations=2),
    lambda: CompositionDefect(EuclideanForm().isometry_group(D)),
    RelativeEquivariance,
    lambda: RelativeEquivariance(bounded=False),
    CosineSpread,
    EffectiveRank,
]


@pytest.mark.parametrize("make", METRICS, ids=lambda make: type(make()).__name__)
def test_one_update_with_nan_is_nan_until_the_reset(make):
    metric = make()
    extra = [1] if getattr(metric, "num_transformations", None) else []
    sets = list(torch.randn(4 if isinstance(metric, CompositionDefect) else 2, N, D))
    metric.update(*sets, *extra)
    clean = metric.compute()
    bad = [sets[0].clone(), *sets[1:]]
    bad[0][3, 1] = torch.nan
    metric.update(*bad, *extra)
    metric.update(*sets, *extra)
    assert metric.compute().isnan()
    if hasattr(metric, "estimate"):
        assert all(x.isnan() for x in metric.estimate())
    metric.reset()
    metric.update(*sets, *extra)
    assert torch.equal(metric.compute(), clean)


def test_the_panel_of_an_encoder_of_nan_is_nan():
    panel = equivariance_metrics(D)
    nan = torch.full((N, D), torch.nan)
    panel.update(nan, nan)
    for name, value in panel.compute().items():
        assert value.isnan(), name


@pytest.mark.parametrize(
    ("metric", "scale"),
    [
        (RelativeEquivariance(), 1e-200),
        (RelativeEquivariance(), 1e200),
        (WahbaError(EuclideanForm().isometry_group(D), num_transformations=1), 1e200),
    ],
)
def test_sums_that_would_overflow_are_refused(metric, scale):
    b, a = pair()
    index = [0] if isinstance(metric, WahbaError) else []
    with pytest.raises(ValueError, match=r"source must have a largest entry between .*multiply"):
        metric.update(b * scale, a, *index)
    metric.update(b * 0, a * 0, *index)


@pytest.mark.parametrize("held_out", [False, True])
@pytest.mark.parametrize("scale", [1e-30, 1e-130, 1e130])
def test_sets_of_different_scales_have_the_quotient_that_they_have(scale, held_out):
    source, target = torch.randn(2, 9, 4, dtype=torch.float64)
    rows = slice(1, None, 2) if held_out else slice(None)
    error = functional.wahba_error(source, scale * target, held_out=held_out)
    # A rotation turns the longer set and leaves its length.
    sizes = [torch.linalg.matrix_norm(x[rows]) for x in (source, target)]
    want = sizes[0] / (scale * sizes[1]) if scale < 1 else torch.ones(())
    torch.testing.assert_close(error, want.double(), rtol=1e-12, atol=0)
    tiny = functional.wahba_error(source.float(), (1e-44 * target).float(), held_out=held_out)
    assert tiny.isinf()


def test_moments_must_be_square():
    x = torch.randn(7, 4, dtype=torch.float64)
    with pytest.raises(ValueError, match="source must have shape"):
        functional.relative_equivariance_moments(Moments(x, x, x, torch.tensor(7.0)))
