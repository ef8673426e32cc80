"""Moments: sums over points that add up, and what they say of a fit."""

import pytest
import torch

from equiform import EuclideanForm, Moments
from equiform.groups.moments import trace

norm = torch.linalg.matrix_norm


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.complex64])
def test_they_are_sums_over_points(dtype):
    b, a = torch.randn(2, 2, 7, 3, dtype=dtype)
    weights = torch.rand(2, 7)
    moments = Moments.of(b, a, weights)
    work = torch.promote_types(dtype, torch.float64)
    for found, x, y in (
        (moments.source, b, b),
        (moments.cross, b, a),
        (moments.target, a, a),
    ):
        expected = sum(
            weights[:, i, None, None].double()
            * x[:, i].to(work).conj()[:, :, None]
            * y[:, i].to(work)[:, None, :]
            for i in range(7)
        )
        assert found.dtype == work
        torch.testing.assert_close(found, expected)
    torch.testing.assert_close(moments.weight, weights.double().sum(-1))
    torch.testing.assert_close(moments.energy, trace(moments.target))


def test_they_add_and_decay():
    b, a = torch.randn(2, 9, 3, dtype=torch.float64)
    parts = Moments.of(b[:4], a[:4]) * 0.5 + Moments.of(b[4:], a[4:]) + Moments.zeros(d=3)
    whole = Moments.of(b, a, torch.tensor([0.5] * 4 + [1.0] * 5))
    for x, y in zip(parts.parts, whole.parts, strict=True):
        torch.testing.assert_close(x, y)
    assert Moments.of(b, a).weight == 9


@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
def test_relative_error_is_that_of_the_points(dtype):
    b, a = torch.randn(2, 5, 9, 3, dtype=dtype)
    weights = torch.rand(5, 9, dtype=torch.float64)
    t = torch.randn(5, 3, 3, dtype=dtype)
    root = weights.sqrt()[..., None]
    expected = norm((a - b @ t.mT) * root) / norm(a * root)
    torch.testing.assert_close(Moments.of(b, a, weights).relative_error(t), expected)
    zero = Moments.of(b, 0 * a).relative_error(0 * t)
    assert (zero == 0).all()


def test_in_frame_is_moments_of_coordinates():
    b, a = torch.randn(2, 9, 4, dtype=torch.float64)
    frame = torch.linalg.qr(torch.randn(4, 2, dtype=torch.complex128))[0]
    coordinates = Moments.of(*((x + 0j) @ frame.conj() for x in (b, a)))
    for x, y in zip(Moments.of(b, a).in_frame(frame).parts, coordinates.parts, strict=True):
        torch.testing.assert_close(x, y)


def test_an_anchor_is_orthogonal_points_that_stay():
    b, a = torch.randn(2, 9, 3, dtype=torch.float64)
    tau = torch.tensor(2.5, dtype=torch.float64)
    still = tau.sqrt() * torch.eye(3, dtype=torch.float64)
    added = Moments.of(torch.cat([b, still]), torch.cat([a, still]))
    anchored = Moments.of(b, a).anchored(tau)
    for x, y in zip(anchored.parts[:3], added.parts[:3], strict=True):
        torch.testing.assert_close(x, y)


def test_gradients_reach_the_points_and_errors_name_the_remedy():
    b, a = torch.randn(2, 5, 3, dtype=torch.float64, requires_grad=True)
    fit = EuclideanForm().isometry_group(3).recover_moments(Moments.of(b, a))
    assert all(g.isfinite().all() for g in torch.autograd.grad(fit.residual, (b, a)))
    with pytest.raises(ValueError, match="one shape"):
        Moments.of(b, a[:3])
    with pytest.raises(ValueError, match=r"weights must be nonnegative of shape \(5,\)"):
        Moments.of(b, a, torch.ones(4))
