"""When points leave one isometry only, and which component it lies in."""

import pytest
import torch

from equiform import (
    DependencyMismatch,
    EuclideanForm,
    HermitianForm,
    IndefiniteForm,
    Joint,
    MetricForm,
    MinkowskiForm,
    Moments,
    Orthochronous,
    SpecialOrthogonal,
    SymplecticForm,
)
from equiform.groups import NoncompactGroup
from equiform.groups.fit.descent import descend
from tests.cases import GROUPS

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


def test_degenerate_data_are_not_identifiable_and_extend_refuses_them():
    lorentz, symplectic = MinkowskiForm().isometry_group(3), SymplecticForm().isometry_group(4)
    u = torch.tensor([[1.0, 1.0, 0.0]], dtype=torch.float64)
    e = torch.eye(4, dtype=torch.float64)
    pairs = [
        (lorentz, u, 0 * u),
        (lorentz, torch.cat([u, u]), torch.cat([u, 2 * u])),
        (symplectic, e[:2], e[[0, 0]]),
    ]
    for group, b, a in pairs:
        torch.testing.assert_close(group.form.gram(b), group.form.gram(a))
        assert not group.recover(b, a).identifiable
        with pytest.raises(DependencyMismatch):
            group.extend(b, a)


def test_a_hyperplane_is_enough_where_its_reflection_is_excluded():
    """Points of a hyperplane fix T up to the reflection along its normal, unless that is null."""
    full, forward = MinkowskiForm().isometry_group(3), Orthochronous(3)
    points = torch.randn(9, 3, dtype=torch.float64)
    for normal, in_full, in_forward in [
        ([1.0, 0.0, 0.0], False, True),  # timelike: its reflection turns time around
        ([0.0, 1.0, 0.0], False, False),
        ([1.0, 1.0, 0.0], True, True),  # null: there is no reflection
    ]:
        v = torch.tensor(normal, dtype=torch.float64)
        b = points - torch.outer(points @ v, v) / (v @ v)
        # What is Euclidean-orthogonal to v is form-orthogonal to J v, of the same square.
        t = forward.sample(rapidity=1.0, dtype=torch.float64)
        for group, expected in ((full, in_full), (forward, in_forward)):
            fit = group.recover(b, b @ t.mT)
            assert fit.identifiable == expected
            assert fit.residual < 1e-9
            if expected:
                torch.testing.assert_close(fit.matrix, t, rtol=1e-5, atol=1e-5)


@noncompact
def test_noise_does_not_hide_the_component(group):
    """Random restarts from every component find nothing better."""
    b, a, _ = noisy(group, 8, noise=0.0, rapidity=3.0)
    scale = a.square().mean((-2, -1), keepdim=True).sqrt()
    a = a + 0.05 * scale * torch.randn_like(a)
    best = norm(a - b @ group.recover(b, a).matrix.mT)
    for _ in range(5):
        start = group.sample(8, rapidity=3.0, dtype=double(group))
        # Anchored at a random element, then released: a descent of its own from far away.
        moved = b @ start.mT
        rival = norm(a - moved @ group.recover(moved, a).matrix.mT)
        assert (rival >= best * (1 - 1e-3)).all()


def test_the_right_component_is_found_where_noise_drowns_what_is_contracted():
    """Without a look into the other components, a fifth of these trials end in a wrong one."""
    group = IndefiniteForm(4, 4).isometry_group(8)
    assert isinstance(group, NoncompactGroup)
    b, a, t = noisy(group, 100, noise=0.0, rapidity=5.0)
    a = a + 0.1 * a.square().mean((-2, -1), keepdim=True).sqrt() * torch.randn_like(a)
    moments = Moments.of(b, a)
    flips = torch.ones(4, 8, dtype=torch.float64)
    flips[1::2, 0] = flips[2:, -1] = -1  # one reflection in each eigenspace, or both
    rivals = [descend(group.form, moments, t.mT * flip, steps=60)[0] for flip in flips]
    errors = torch.stack([norm(a - b @ g) for g in [group.recover(b, a).matrix.mT, *rivals]])
    assert (errors[0] <= errors.amin(0) * (1 + 1e-3)).double().mean() >= 0.95


@pytest.mark.parametrize(
    "form",
    [
        EuclideanForm(),
        HermitianForm(),
        MinkowskiForm(),
        MetricForm(torch.diag(torch.logspace(0, 4, 16))),
    ],
    ids=repr,
)
def test_weak_directions_of_points_in_float32_are_no_rounding(form):
    group = form.isometry_group(16)
    dtype = torch.complex64 if form.sesquilinear else torch.float32
    t = group.sample(rapidity=0.5, dtype=dtype)
    b = torch.randn(200, 16, dtype=dtype)
    b[:, -3:] *= 1e-3
    fit = group.recover(b, b @ t.mT)
    assert fit.rank == 16
    assert fit.identifiable
    assert fit.residual < 1e-6


@pytest.mark.parametrize("d", [2, 3])
def test_moments_remember_that_points_were_float32(d):
    group = EuclideanForm().isometry_group(d)
    for _ in range(60):
        b = torch.randn(20, d - 1) @ torch.randn(d - 1, d)
        moments = Moments.of(b, b @ group.sample().mT)
        fit = group.recover_moments(moments + moments * 0.5)
        assert fit.rank == d - 1
        assert not fit.identifiable


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_points_of_one_eigenspace_leave_the_other_open(dtype):
    q = torch.linalg.qr(torch.randn(4, 4, dtype=torch.float64)).Q
    s = MetricForm(q @ torch.diag(torch.tensor([1.0, 1, -1, -1]).double()) @ q.mT)
    whole = slice(0, 4)
    group = Joint([(EuclideanForm(), whole), (s, whole)]).isometry_group(4)
    t = group.sample(dtype=torch.float64)
    for n, rank in ((10, 2), (1, 1)):
        x = (torch.randn(n, 2, dtype=torch.float64) @ q[:, :2].mT).to(dtype)
        y = (x.double() @ t.mT).to(dtype)
        for fit in (group.recover(x, y), group.recover_moments(Moments.of(x, y))):
            assert fit.rank == rank
            assert not fit.identifiable
        h = group.extend(x, y)
        assert group.contains(h)
        torch.testing.assert_close(x @ h.mT, y)


def test_special_orthogonal_groups_stay_special():
    b = torch.randn(9, 3, dtype=torch.float64)
    fit = SpecialOrthogonal(3).recover(b, -b)
    torch.testing.assert_close(torch.linalg.det(fit.matrix), torch.ones((), dtype=torch.float64))
    assert not HermitianForm().isometry_group(3).recover(*[b[:2] + 0j] * 2).identifiable
    assert EuclideanForm().isometry_group(3).recover(b, -b).residual < 1e-14
