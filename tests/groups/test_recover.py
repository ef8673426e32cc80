"""The best fit, for every group: exact data, optimality, uniqueness, moments, its derivative."""

import math
from functools import partial

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import assume, given

from equiform import (
    EuclideanForm,
    IndefiniteForm,
    MinkowskiForm,
    Moments,
    Orthochronous,
    SplitForm,
    SymplecticForm,
)
from equiform.forms import BilinearForm
from equiform.groups import NoncompactGroup
from equiform.testing import group_elements, matrices
from tests.cases import GROUPS, in_coordinates

norm = torch.linalg.matrix_norm
every_group = pytest.mark.parametrize("group", [c.group for c in GROUPS], ids=repr)
#: Orthochronous groups fit by the geometry of the hyperboloid: test_orthochronous.py.
LEAST_SQUARES = [c.group for c in GROUPS if not isinstance(c.group, Orthochronous)]
least_squares = pytest.mark.parametrize("group", LEAST_SQUARES, ids=repr)
NONCOMPACT = [g for g in LEAST_SQUARES if isinstance(g, NoncompactGroup)]
noncompact = pytest.mark.parametrize("group", NONCOMPACT, ids=repr)


def double(group):
    return torch.complex128 if group.form.sesquilinear else torch.float64


def noisy(group, *batch, noise=0.3, rapidity=1.0):
    """Points, and their images under a random element with noise."""
    t = group.sample(*batch, rapidity=rapidity, dtype=double(group))
    b = torch.randn(*batch, 3 * group.dim, group.dim, dtype=double(group))
    return b, b @ t.mT + noise * torch.randn_like(b), t


def misfit(group, a, b, t):
    """‖A - B T^t‖ in the coordinates of the form."""
    return norm(group.form.coordinates(a - b @ t.mT))


@every_group
@pytest.mark.parametrize("rapidity", [0.0, 2.0, 5.0])
def test_exact_data_are_recovered(group, rapidity):
    b, a, t = noisy(group, 20, noise=0.0, rapidity=rapidity)
    fit = group.recover(b, a)
    assert (norm(fit.matrix - t) / norm(t)).max() < 1e-9 * group.condition
    assert fit.residual.max() < 1e-10 * group.condition
    # In the coordinates of the form, T contracts to second moments of this share of the largest.
    if group.is_compact or group.condition * math.exp(4 * rapidity) < 1e12:
        assert (fit.rank == group.dim).all()
        assert fit.identifiable.all()
    assert group.contains(fit.matrix).all()


@pytest.mark.parametrize(
    "form", [MinkowskiForm(), IndefiniteForm(32, 32), SymplecticForm()], ids=repr
)
def test_exact_data_are_recovered_in_64_dimensions(form):
    group = form.isometry_group(64)
    t = group.sample(2, rapidity=5.0, dtype=torch.float64)
    b = torch.randn(2, 100, 64, dtype=torch.float64)
    fit = group.recover(b, b @ t.mT)
    assert (norm(fit.matrix - t) / norm(t)).max() < 1e-9
    assert fit.residual.max() < 1e-9


@least_squares
@given(data=st.data())
def test_no_other_member_fits_better(group, data):
    n = data.draw(st.integers(group.dim, 3 * group.dim))
    b = data.draw(matrices(n, group.dim, sesquilinear=group.form.sesquilinear))
    t = data.draw(group_elements(group, rapidities=(0.0, 0.5, 2.0)))
    noise = data.draw(matrices(n, group.dim, sesquilinear=group.form.sesquilinear))
    noise = data.draw(st.sampled_from([0.0, 0.01, 0.1])) * noise
    a = b @ t.mT + noise
    smallest = torch.linalg.svdvals(b)[-1]
    assume(norm(a) > 1e-3 and smallest > 1e-2)
    fit = group.recover(b, a)
    assert group.contains(fit.matrix)
    missed = partial(misfit, group, a, b)
    size = norm(group.form.coordinates(a))
    torch.testing.assert_close(fit.residual, missed(fit.matrix) / size)
    generator = torch.Generator().manual_seed(data.draw(st.integers(0, 2**32)))
    far = group.sample(20, generator=generator, dtype=double(group))
    tangent = torch.randn(20, group.dim, group.dim, generator=generator, dtype=double(group))
    steps = torch.cat([1e-3 * tangent[:10], 0.05 * tangent[10:]])
    near = fit.matrix @ group.exp(group.project_algebra(steps))
    # Where noise drowns a direction of the points, the component is a guess, and it may be another
    # one than that of t: from twice the smallest singular value on in a few fits of a hundred.
    true = t[None] if norm(noise, 2) < smallest else t[None][:0]
    rivals = torch.cat([far, near, true])
    rounding = 1e-9 * group.condition
    best = missed(fit.matrix)
    assert (missed(rivals) >= best * (1 - rounding) - rounding * size).all()


@pytest.mark.parametrize("form", [MinkowskiForm(), SplitForm()], ids=repr)
def test_fits_cross_into_the_component_that_noise_hides(form):
    # With noise of the size of the weakest direction, descent that stays in the component of its
    # start misses the true element in 20 of 400 fits.
    group, generator = form.isometry_group(4), torch.Generator().manual_seed(0)
    random = partial(torch.randn, dtype=torch.float64, generator=generator)
    u, s, vh = torch.linalg.svd(random(400, 8, 4), full_matrices=False)
    s[:, -1] = 0.1
    b = u * s[:, None] @ vh
    t = group.sample(400, rapidity=0.5, dtype=torch.float64, generator=generator)
    a = b @ t.mT + 0.1 * random(*b.shape)
    fitted = misfit(group, a, b, group.recover(b, a).matrix)
    assert (fitted > misfit(group, a, b, t) * (1 + 1e-9)).sum() <= 4


@every_group
def test_moments_fit_as_points_do(group):
    b, a, _ = noisy(group, 3)
    weights = torch.rand(b.shape[:-1], dtype=torch.float64)
    points = group.recover(b, a, weights=weights)
    streamed = Moments.zeros(3, d=group.dim, dtype=double(group))
    for rows in torch.arange(b.shape[1]).split(group.dim + 1):
        streamed = streamed + Moments.of(b[:, rows], a[:, rows], weights[:, rows])
    moments = group.recover_moments(streamed)
    for x, y in zip(points, moments, strict=True):
        torch.testing.assert_close(x, y, rtol=1e-6, atol=1e-8)


@every_group
def test_weights_are_repetitions(group):
    b, a, _ = noisy(group)
    counts = torch.arange(len(b)) % 4
    weighted = group.recover(b, a, weights=counts.double())
    repeated = group.recover(b.repeat_interleave(counts, 0), a.repeat_interleave(counts, 0))
    for x, y in zip(weighted, repeated, strict=True):
        torch.testing.assert_close(x, y, rtol=1e-6, atol=1e-8)


def test_arguments_are_checked():
    group = MinkowskiForm().isometry_group(3)
    b, a = torch.randn(2, 5, 3)
    with pytest.raises(ValueError, match="weights"):
        group.recover(b, a, weights=torch.ones(4))
    with pytest.raises(ValueError, match="nonnegative"):
        group.recover(b, a, weights=-torch.ones(5))
    with pytest.raises(ValueError, match="anchor must be finite and not negative"):
        group.recover(b, a, anchor=-1.0)
    with pytest.raises(TypeError, match="anchor must be a number"):
        group.recover(b, a, anchor=torch.ones(2))
    for center in (False, True):
        with pytest.raises(TypeError, match="weights must be a tensor of real numbers, got list"):
            group.recover(b, a, weights=[1.0] * 5, center=center)
    with pytest.raises(TypeError, match="center must be True or False"):
        group.recover(b, a, center="no")
    with pytest.raises(ValueError, match="one shape"):
        group.recover(b, a[:4])
    with pytest.raises(ValueError, match=r"moments.source must have shape"):
        group.recover_moments(Moments.of(*torch.randn(2, 5, 4)))


@pytest.mark.parametrize("group", [EuclideanForm().isometry_group(3), Orthochronous(3)], ids=str)
def test_answers_have_the_dtype_of_the_source(group):
    b, a = torch.randn(2, 7, 3, dtype=torch.float64)
    fit = group.recover(b.float(), a)
    assert fit.matrix.dtype == fit.residual.dtype == torch.float32
    fit = group.recover(b, a.float())
    assert fit.matrix.dtype == fit.residual.dtype == torch.float64


@every_group
def test_an_anchor_pulls_to_the_identity_where_data_are_silent(group):
    b, a, _ = noisy(group)
    eye = torch.eye(group.dim, dtype=double(group))
    fits = [group.recover(b, a, anchor=tau).matrix for tau in (1e3, 1e-3)]
    close, far = (norm(in_coordinates(group, t) - eye) for t in fits)
    assert close < 0.05 or far < 0.05
    silent = torch.zeros(4, group.dim, dtype=double(group))
    fit = group.recover(silent, silent, anchor=0.1)
    torch.testing.assert_close(fit.matrix, eye)
    assert fit.rank == 0
    assert not fit.identifiable or group.algebra_basis().shape[0] == 0


@least_squares
def test_an_anchored_fit_to_few_points_is_the_penalised_minimum(group):
    d = group.dim
    b, a = (x[: (d + 1) // 2] for x in noisy(group)[:2])
    fit = group.recover(b, a, anchor=0.2)
    tau = 0.2 * group.form.coordinates(b).abs().square().sum() / d

    def penalised(t):
        moved = in_coordinates(group, t) - torch.eye(d, dtype=t.dtype)
        return misfit(group, a, b, t).square() + tau * norm(moved).square()

    tangent = group.project_algebra(torch.randn(20, d, d, dtype=double(group)))
    near = fit.matrix @ group.exp(0.01 * tangent)
    assert (penalised(near) >= penalised(fit.matrix) * (1 - 1e-12 * group.condition)).all()


@every_group
def test_gradcheck(group):
    b, a, _ = noisy(group, 2)
    weights = torch.rand(2, b.shape[1], dtype=torch.float64) + 0.5
    inputs = [x.requires_grad_() for x in (b, a, weights)]

    def check(function, *inputs):
        # Along random directions: entry by entry, the descents take minutes.
        return torch.autograd.gradcheck(function, inputs, fast_mode=True)

    assert check(lambda x, y, w: group.recover(x, y, weights=w)[:2], *inputs)
    assert check(lambda x, y: group.recover(x, y, anchor=0.1).matrix, b, a)


@pytest.mark.parametrize("form", [MinkowskiForm(), SymplecticForm()], ids=repr)
def test_gradcheck_entry_by_entry(form):
    group = form.isometry_group(2)
    b, a, _ = noisy(group)
    assert torch.autograd.gradcheck(
        lambda x, y: group.recover(x, y).matrix, (b.requires_grad_(), a.requires_grad_())
    )


@noncompact
def test_gradients_are_finite_where_the_minimiser_is_not_unique(group):
    for n in (1, 2):
        b, a, _ = (x[..., :n, :] if x.shape[-2] > group.dim else x for x in noisy(group))
        b.requires_grad_()
        gradient = torch.autograd.grad(group.recover(b, a).matrix.abs().square().sum(), b)[0]
        assert gradient.isfinite().all()


@every_group
def test_single_precision_and_strides(group):
    dtype = torch.complex64 if group.form.sesquilinear else torch.float32
    t = group.sample(dtype=dtype)
    b = torch.randn(group.dim, 4 * group.dim, dtype=dtype).mT
    fit = group.recover(b, b @ t.mT)
    assert fit.matrix.dtype == dtype
    assert fit.identifiable
    torch.testing.assert_close(fit.matrix, t, rtol=1e-4, atol=1e-4)


@every_group
def test_few_exact_points_are_carried_exactly(group):
    t = group.sample(20, rapidity=2.0, dtype=double(group))
    for n in {1, max(1, group.dim // 2), max(1, group.dim - 1)}:
        b = torch.randn(20, n, group.dim, dtype=double(group))
        fit = group.recover(b, b @ t.mT)
        assert fit.residual.max() < 1e-9
        assert group.contains(fit.matrix, rtol=1e-10).all()
        if isinstance(group.form, BilinearForm):
            assert (fit.rank == n).all()


@every_group
@pytest.mark.parametrize("noise", [1e-8, 1e-6, 1e-5])
def test_few_points_whose_grams_nearly_agree_are_fitted_by_members(group, noise):
    t = group.sample(20, rapidity=1.0, dtype=double(group))
    for n in {1, max(1, group.dim - 1)}:
        b = torch.randn(20, n, group.dim, dtype=double(group))
        a = b @ t.mT
        fit = group.recover(b, a + noise * torch.randn_like(a))
        assert group.contains(fit.matrix).all()
