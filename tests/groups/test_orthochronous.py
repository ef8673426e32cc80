"""The closed-form fit on the hyperboloid: optimal in its geometry, equivariant, differentiable."""

import pytest
import torch

from equiform import Hyperboloid, MinkowskiForm, Moments, Orthochronous
from equiform.groups.noncompact import NoncompactGroup

HYPERBOLOID = Hyperboloid()
dims = pytest.mark.parametrize("d", [2, 3, 6])


def clouds(d, *batch, noise=0.3, rapidity=2.0):
    """Points of the hyperboloid, and their images with noise in the tangent space."""
    t = Orthochronous(d).sample(*batch, rapidity=rapidity, dtype=torch.float64)
    b = HYPERBOLOID.project(torch.randn(*batch, 4 * d, d - 1, dtype=torch.float64))
    moved = HYPERBOLOID.logmap0(b)[..., 1:]
    moved = HYPERBOLOID.project(moved + noise * torch.randn_like(moved))
    return b, moved @ t.mT, t


def cosh_distance(b, a, t):
    """Sum of cosh of the distances, by the definition of the product."""
    moved = b @ t.mT
    return (moved[..., 0] * a[..., 0] - (moved[..., 1:] * a[..., 1:]).sum(-1)).sum(-1)


@dims
def test_no_other_member_brings_the_points_closer(d):
    group = Orthochronous(d)
    b, a, t = clouds(d, 20)
    fit = group.recover(b, a)
    assert group.contains(fit.matrix).all()
    best = cosh_distance(b, a, fit.matrix)
    tangent = group.project_algebra(torch.randn(2, 20, d, d, dtype=torch.float64))
    steps = torch.tensor([1e-3, 0.3], dtype=torch.float64)[:, None, None, None]
    near = fit.matrix @ group.exp(steps * tangent)
    far = group.sample(20, rapidity=2.0, dtype=torch.float64)
    reflected = fit.matrix.clone()
    reflected[..., :, -1] *= -1
    for rival in (*near, far, t, reflected):
        assert (cosh_distance(b, a, rival) >= best * (1 - 1e-12)).all()


@dims
@pytest.mark.parametrize("rapidity", [0.0, 2.0])
def test_the_frame_does_not_matter(d, rapidity):
    """What least squares in the coordinates would not give."""
    group = Orthochronous(d)
    b, a, _ = clouds(d)
    left, right = group.sample(2, rapidity=rapidity, dtype=torch.float64)
    plain = group.recover(b, a).matrix
    moved = group.recover(b @ right.mT, a @ left.mT).matrix
    expected = left @ plain @ torch.linalg.inv(right)
    assert torch.linalg.matrix_norm(moved - expected) < 1e-6 * torch.linalg.matrix_norm(expected)


@dims
def test_weights_and_moments(d):
    group = Orthochronous(d)
    b, a, _ = clouds(d, 3)
    counts = torch.arange(b.shape[1]) % 3
    fit = group.recover(b, a, weights=counts.expand(3, -1).double())
    repeated = [x.repeat_interleave(counts, dim=-2) for x in (b, a)]
    for other in (group.recover(*repeated), group.recover_moments(Moments.of(*repeated))):
        torch.testing.assert_close(fit.matrix, other.matrix)


@dims
def test_gradcheck(d):
    group = Orthochronous(d)
    b, a, _ = clouds(d, rapidity=0.5)
    inputs = (b.requires_grad_(), a.requires_grad_())
    assert torch.autograd.gradcheck(lambda x, y: group.recover(x, y).matrix, inputs)
    assert torch.autograd.gradcheck(lambda x, y: group.recover(x, y, anchor=1.0).matrix, inputs)


def test_gradients_are_finite_where_the_rotation_is_open():
    b = HYPERBOLOID.project(torch.zeros(4, 3, dtype=torch.float64)).requires_grad_()
    fit = Orthochronous(4).recover(b, b.detach())
    assert not fit.identifiable
    (gradient,) = torch.autograd.grad(fit.matrix.square().sum(), b)
    assert gradient.isfinite().all()


def test_one_point_is_carried_by_a_boost_and_no_more():
    origin = torch.tensor([[1.0, 0.0, 0.0]], dtype=torch.float64)
    target = HYPERBOLOID.project(torch.tensor([[1.0, 2.0]], dtype=torch.float64))
    fit = Orthochronous(3).recover(origin, target)
    torch.testing.assert_close(origin @ fit.matrix.mT, target)
    torch.testing.assert_close(fit.matrix, fit.matrix.mT)  # boosts are symmetric
    assert not fit.identifiable


def test_other_data_are_fitted_by_least_squares():
    group = Orthochronous(4)
    b = torch.randn(5, 20, 4, dtype=torch.float64)
    b[..., 0] *= 0.1  # spacelike, mostly
    t = group.sample(5, dtype=torch.float64)
    a = b @ t.mT + 0.1 * torch.randn(5, 20, 4, dtype=torch.float64)
    fit = group.recover(b, a)
    assert group.contains(fit.matrix).all()
    full = NoncompactGroup(MinkowskiForm(), 4).recover(b, a)
    assert (fit.residual >= full.residual - 1e-9).all()
    forward = group.contains(full.matrix)
    assert forward.any()
    torch.testing.assert_close(fit.matrix[forward], full.matrix[forward], rtol=1e-5, atol=1e-6)


def test_an_anchor_pulls_to_the_identity():
    b, a, _ = clouds(4)
    fit = Orthochronous(4).recover(b, a, anchor=1e4)
    torch.testing.assert_close(fit.matrix, torch.eye(4, dtype=torch.float64), atol=0.01, rtol=0)
