"""Of NaN and infinity comes NaN, for their item of a batch, and of finite numbers none."""

import math

import pytest
import torch

from equiform import EuclideanForm, MinkowskiForm, Moments, Orthochronous, SpecialOrthogonal
from tests.groups._cases import data, each_group

every_group = each_group()
MATRICES = ("exp", "polar", "project_algebra", "component", "residual", "balance")


def argument(name, given):
    if name == "balance":
        return given.elements.mH @ given.elements
    return given.algebra if name == "exp" else given.elements


def assert_only_second_is_nan(result, *, else_as):
    assert result[1].isnan().all()
    torch.testing.assert_close(result[[0, 2]], else_as[[0, 2]])


@every_group
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_matrices(group, value):
    given = data(group)
    for name in MATRICES:
        m, function = argument(name, given), getattr(group, name)
        broken = m.clone()
        broken[1, -1, -1] = value
        assert_only_second_is_nan(function(broken), else_as=function(m))
        assert function(broken[1]).isnan().all()
    assert group.contains(given.elements).all()
    assert group.contains(broken if name != "balance" else given.elements * value).sum() == 0


@every_group
@pytest.mark.parametrize(
    ("which", "value"), [("source", math.nan), ("target", math.inf), ("weights", math.nan)]
)
def test_fits(group, which, value):
    given = data(group)
    pair = {"source": given.source, "target": given.noisy, "weights": given.weights}
    whole = group.recover(**pair, anchor=0.1)
    pair[which] = pair[which].clone()
    pair[which][1, 1] = value
    moments = Moments.of(*pair.values())
    for fit in (group.recover(**pair, anchor=0.1), group.recover_moments(moments, anchor=0.1)):
        assert_only_second_is_nan(fit.matrix, else_as=whole.matrix)
        assert_only_second_is_nan(fit.residual, else_as=whole.residual)
        assert fit.identifiable.tolist() == [True, False, True]
        assert fit.rank[1] == 0


@every_group
def test_extensions(group):
    given = data(group)
    for i in range(2):
        pair = [given.source.clone(), given.exact.clone()]
        pair[i][1, 0, 0] = torch.nan
        assert_only_second_is_nan(group.extend(*pair), else_as=given.elements)


@every_group
def test_gradients_of_the_other_items_are_finite(group):
    given = data(group)
    source, weights = given.source.clone(), given.weights
    source[1, 0, 0] = torch.nan
    source.requires_grad_()
    fit = group.recover(source, given.noisy, weights=weights)
    total = fit.residual[[0, 2]].sum() + fit.matrix[[0, 2]].real.sum()
    (gradient,) = torch.autograd.grad(total, source)
    assert gradient[[0, 2]].isfinite().all()
    assert gradient[[0, 2]].abs().sum() > 0


@every_group
def test_gradients_are_finite_where_points_vanish_or_fit_exactly(group):
    given = data(group)
    b, a = given.source[0], given.exact[0]
    for pair in ((b, a), (0 * b, 0 * a), (b, 0 * a), (b[:1], a[:1]), (b[:0], a[:0])):
        for weight in (0.0, 1.0):
            w = torch.full(b.shape[:1], weight, dtype=torch.float64)[: len(pair[0])]
            w[1:] = 1
            leaves = [x.clone().requires_grad_() for x in (*pair, w)]
            fit = group.recover(*leaves[:2], weights=leaves[2])
            total = fit.residual + fit.matrix.real.sum()
            first = torch.autograd.grad(total, leaves, create_graph=True)
            second = torch.autograd.grad(
                sum((g * g.conj()).real.sum() for g in first), leaves, allow_unused=True
            )
            assert all(g.isfinite().all() for g in (*first, *second) if g is not None)


@every_group
@pytest.mark.parametrize("size", [1e200, 1e-200])
def test_a_fit_does_not_depend_on_the_unit(group, size):
    given = data(group)
    moved = size * given.source, size * given.noisy
    fit = group.recover(given.source, given.noisy, weights=given.weights)
    scaled = group.recover(*moved, weights=size * given.weights)
    for x, y in zip(scaled, fit, strict=True):
        # Scaled by no power of two, each number is rounded once more.
        torch.testing.assert_close(x, y, rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(
        group.extend(size * given.source, size * given.exact), given.elements
    )


@every_group
@pytest.mark.parametrize("size", [1e200, 1e-200, 1e-320])
def test_no_size_of_a_matrix_gives_nan(group, size):
    given = data(group)
    for name in ("polar", "project_algebra", "component", "residual", "balance"):
        # A member with the few digits of subnormal numbers may be near none.
        if name != "polar" or size > 1e-300 or group.is_compact:
            assert not getattr(group, name)(size * argument(name, given)).isnan().any()
    residual = group.residual(size * given.elements)
    assert (residual >= 0.1).all()
    assert not group.contains(size * given.elements).any()


@every_group
@pytest.mark.parametrize("size", [1e3, 1e30, 1e300])
def test_exponentials_of_any_size_are_isometries_or_overflow(group, size):
    t = group.exp(size * data(group).algebra)
    assert not t.isnan().any()
    finite = t.isfinite().all((-2, -1))
    assert finite.all() or not group.is_compact
    if group.is_compact:
        assert group.contains(t).all()


def test_samples_overflow_to_infinity():
    group = MinkowskiForm().isometry_group(4)
    for t in (group.sample(5, rapidity=1e3), group.sample(5, rapidity=20.0, dtype=torch.half)):
        assert not t.isnan().any()
        assert t.isinf().any()


def test_no_points_no_weights_and_one_dimension():
    for group in (EuclideanForm().isometry_group(1), SpecialOrthogonal(1), Orthochronous(3)):
        none = torch.zeros(2, 0, group.dim)
        for center in (False, True):
            fit = group.recover(none, none, center=center)
            assert (fit.residual == 0).all()
            assert group.contains(fit.matrix).all()
        points = torch.randn(4, group.dim)
        fit = group.recover(points, points, weights=torch.zeros(4), center=True)
        assert fit.residual == 0
        assert group.contains(fit.matrix)


@pytest.mark.parametrize("rtol", [math.nan, -1.0, "small"])
def test_a_tolerance_is_a_number(rtol):
    group, eye = SpecialOrthogonal(3), torch.eye(3)
    for call in (group.contains, lambda t, **options: group.extend(t, t, **options)):
        with pytest.raises((ValueError, TypeError), match="rtol must be"):
            call(eye, rtol=rtol)


@each_group()
@pytest.mark.parametrize("scale", [1e-140, 1e80, 1e140])
def test_moments_of_any_scale_give_the_same_fit(group, scale):
    given = data(group)
    source, target = given.source, given.noisy
    want = group.recover_moments(Moments.of(source, target))
    got = group.recover_moments(Moments.of(scale * source, scale * target))
    torch.testing.assert_close(got.residual, want.residual, rtol=1e-6, atol=1e-9)
    assert torch.equal(got.rank, want.rank)


@each_group()
def test_sets_of_different_scales_leave_the_others_of_a_batch(group):
    given = data(group)
    source, target = given.source, given.noisy
    scales = torch.tensor([1, 1e-100, 1e-310], dtype=torch.float64)[:, None, None]
    fit = group.recover(scales * source, target)
    want = group.recover(source[0], target[0])
    torch.testing.assert_close(fit.residual[0], want.residual, rtol=1e-6, atol=1e-9)
