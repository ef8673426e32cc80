"""The learned map never leaves the group; its losses against points, matrices and true laws."""

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given
from torch import nn

from equiform import EuclideanForm, HermitianForm, IndefiniteForm, MinkowskiForm, SpecialOrthogonal
from equiform.groups import Moments
from equiform.steering import LearnedIsometry, StreamingIsometry, steer
from equiform.testing import matrices
from tests.cases import GROUPS

CASES = [pytest.param(case.group, id=case.id) for case in GROUPS]
SO3 = SpecialOrthogonal(3)


def double(group):
    return torch.complex128 if group.form.sesquilinear else torch.float64


def perceptron(k, out):
    return nn.Sequential(nn.Linear(k, 8), nn.Tanh(), nn.Linear(8, out))


@pytest.mark.parametrize("group", CASES)
@pytest.mark.parametrize("num_factors", [1, 3])
@given(theta=matrices(3, 2))
def test_it_lies_in_the_group_and_begins_at_the_identity(group, num_factors, theta):
    torch.manual_seed(1)
    out = num_factors * len(group.algebra_basis())
    for network in (None, perceptron(2, out)) if out else (None,):
        rho = LearnedIsometry(group, 2, num_factors=num_factors, network=network).double()
        with torch.no_grad():
            if network is None:  # generators of size one, where the default is near zero
                rho.network.weight.normal_()
            t = rho(theta)
            assert t.dtype == double(group)
            assert t.shape == (3, group.dim, group.dim)
            assert group.contains(t, rtol=1e-11).all()
            eye = torch.eye(group.dim, dtype=t.dtype)
            torch.testing.assert_close(rho(torch.zeros_like(theta)), eye.expand_as(t))
            torch.testing.assert_close(rho(theta[0]), t[0])
            torch.testing.assert_close(rho(theta.mT.contiguous().mT[:, None]), t[:, None])


@pytest.mark.parametrize("group", CASES)
def test_precision_follows_the_weights(group):
    rho = LearnedIsometry(group, 2)
    theta = torch.randn(5, 2)
    t = rho(theta)
    assert t.dtype == (torch.complex64 if group.form.sesquilinear else torch.float32)
    assert group.contains(t).all()
    exact = rho.double()(theta.double())
    torch.testing.assert_close(t.to(exact.dtype), exact, rtol=1e-5, atol=1e-6)
    assert group.contains(exact).all()


def test_autocast_changes_nothing():
    rho = LearnedIsometry(SO3, 2, num_factors=2, network=perceptron(2, 6))
    theta = torch.randn(3, 5, 2)
    b, a = torch.randn(2, 5, 9, 3)
    values = [rho(theta), rho.composition_loss(*theta), rho.moment_loss(theta[0], Moments.of(b, a))]
    with torch.autocast("cpu", torch.bfloat16):
        moments = Moments.of(b, a)
        under = [rho(theta), rho.composition_loss(*theta), rho.moment_loss(theta[0], moments)]
    for x, y in zip(values, under, strict=True):
        torch.testing.assert_close(x, y)


def test_factors_multiply_from_the_left_and_do_not_start_alike():
    rho = LearnedIsometry(SO3, 2, num_factors=2).double()
    theta = torch.randn(4, 2, dtype=torch.float64)
    xi = rho.algebra(theta)
    assert xi.shape == (4, 2, 3, 3)
    torch.testing.assert_close(xi, -xi.mT)
    expected = torch.linalg.matrix_exp(xi[:, 0]) @ torch.linalg.matrix_exp(xi[:, 1])
    torch.testing.assert_close(rho(theta), expected)
    b, a = torch.randn(2, 4, 9, 3, dtype=torch.float64)
    rho.moment_loss(theta, Moments.of(b, a)).backward()
    first, second = rho.network.weight.grad.chunk(2)
    assert (first - second).norm() > 1e-3 * first.norm() > 0


@pytest.mark.parametrize("group", CASES)
@given(data=st.data())
def test_moment_loss_is_the_residual_of_the_points(group, data):
    torch.manual_seed(2)
    shape, sesquilinear = (2, 5, group.dim), group.form.sesquilinear
    b, a = (
        data.draw(matrices(10, group.dim, sesquilinear=sesquilinear)).view(shape) for _ in range(2)
    )
    a = a + 5  # away from zero, where the residual is not divided
    w = torch.linspace(0, 2, 10, dtype=torch.float64).view(2, 5)
    theta = torch.randn(2, 3, dtype=torch.float64)
    rho = LearnedIsometry(group, 3).double()
    loss = rho.moment_loss(theta, Moments.of(b, a, w))
    squares = [
        (w[..., None] * group.form.coordinates(x).abs().square()).sum((-2, -1))
        for x in (a - steer(b, rho(theta)), a)
    ]
    torch.testing.assert_close(loss, (squares[0] / squares[1]).mean())


def test_moment_loss_of_no_points_is_zero_and_its_gradient_finite():
    rho = LearnedIsometry(SO3, 2)
    loss = rho.moment_loss(torch.randn(4, 2), Moments.zeros(4, d=3))
    loss.backward()
    assert loss == 0
    assert loss.dtype == torch.float32
    assert (rho.network.weight.grad == 0).all()


def test_composition_loss_vanishes_for_a_representation():
    # ξ(θ) = Σ θ_i L_i with [L_1, L_2] = L_3 and cyclic, in a hidden basis: SO(3) on 3 + 3 dims.
    basis = torch.linalg.qr(torch.randn(6, 6, dtype=torch.float64))[0]
    skew = torch.linalg.cross(
        torch.eye(3, dtype=torch.float64)[:, None], torch.eye(3, dtype=torch.float64)[None]
    ).mT
    generators = torch.stack([basis @ torch.block_diag(x, x) @ basis.mT for x in skew])
    group = SpecialOrthogonal(6)
    coordinates = torch.einsum("kij,bij->bk", generators, group.algebra_basis(dtype=torch.float64))
    rho = LearnedIsometry(group, 3).double()
    rotations = SO3.sample(2, 20, dtype=torch.float64)
    theta, theta_prime, composed = (
        rotation_vector(r) for r in (*rotations, rotations[0] @ rotations[1])
    )
    with torch.no_grad():
        rho.network.weight.copy_(coordinates)
        assert rho.composition_loss(theta, theta_prime, composed) < 1e-24
        assert rho.composition_loss(theta_prime, theta, composed) > 0.1  # the order matters
        rho.network.weight.mul_(1.1)
        assert rho.composition_loss(theta, theta_prime, composed) > 1e-3


def rotation_vector(r):
    """Axis times angle, by the eigenvalue-free textbook formula; angles below π."""
    axis = torch.stack(
        [r[:, 2, 1] - r[:, 1, 2], r[:, 0, 2] - r[:, 2, 0], r[:, 1, 0] - r[:, 0, 1]], 1
    )
    sine = axis.norm(dim=1, keepdim=True)
    angle = torch.atan2(sine, r.diagonal(dim1=1, dim2=2).sum(1, keepdim=True) - 1)
    return axis / sine * angle


@given(theta=matrices(4, 1), theta_prime=matrices(4, 1))
def test_one_additive_parameter_always_composes(theta, theta_prime):
    torch.manual_seed(3)
    group = IndefiniteForm(2, 2).isometry_group(4)
    rho = LearnedIsometry(group, 1).double()
    loss = rho.composition_loss(theta, theta_prime, theta + theta_prime)
    assert loss < 1e-26
    defect = rho(theta) - rho(theta_prime) @ rho(theta)
    expected = defect.square().sum((1, 2)).mean() / 8
    torch.testing.assert_close(rho.composition_loss(theta_prime, theta, theta), expected)


@pytest.mark.parametrize(
    "group", [SO3, MinkowskiForm().isometry_group(3), HermitianForm().isometry_group(2)], ids=repr
)
@pytest.mark.parametrize("scale", [0.0, 1.0])
def test_gradcheck_of_the_losses(group, scale):
    out = 2 * len(group.algebra_basis())
    rho = LearnedIsometry(group, 2, num_factors=2, network=nn.Linear(2, out, bias=False)).double()
    theta = torch.randn(3, 2, dtype=torch.float64, requires_grad=True)
    weight = (scale * torch.randn(out, 2, dtype=torch.float64)).requires_grad_()
    moments = Moments.of(*torch.randn(2, 3, 5, group.dim, dtype=double(group)))

    def losses(theta, weight):
        def loss(name, *arguments):
            return torch.func.functional_call(
                _Method(rho, name), {"module.network.weight": weight}, arguments
            )

        return (
            loss("moment_loss", theta, moments),
            loss("composition_loss", theta, theta.flip(0), theta.roll(1, 0)),
        )

    assert torch.autograd.gradcheck(losses, (theta, weight))


class _Method(nn.Module):
    """One method of a module as a module, which functional_call asks for."""

    def __init__(self, module, name):
        super().__init__()
        self.module, self.name = module, name

    def forward(self, *arguments):
        return getattr(self.module, self.name)(*arguments)


@pytest.mark.parametrize("group", [SO3, MinkowskiForm().isometry_group(3)], ids=repr)
def test_a_fit_to_streamed_moments_generalises(group, dtype):
    """One-parameter subgroup, seen at eight parameters and asked for at others."""
    generator = group.algebra_basis(dtype=torch.float64).sum(0) / 2

    def truth(theta):
        return torch.linalg.matrix_exp(theta.double()[..., None] * generator)

    streaming = StreamingIsometry(group)
    theta = torch.linspace(-1, 1, 8, dtype=dtype)[:, None]
    for key, t in enumerate(truth(theta)):
        b = torch.randn(12, 3, dtype=torch.float64)
        streaming.update(str(key), b.to(dtype), (b @ t.mT).to(dtype))
    rho = LearnedIsometry(group, 1).to(dtype)
    optimizer = torch.optim.LBFGS(
        rho.parameters(), tolerance_grad=0, tolerance_change=0, line_search_fn="strong_wolfe"
    )

    def closure():
        optimizer.zero_grad()
        loss = rho.moment_loss(theta, streaming.moments())
        loss.backward()
        return loss

    for _ in range(5):
        optimizer.step(closure)
    unseen = torch.tensor([[0.3], [-0.77], [1.4]], dtype=dtype)
    tolerance = 1e-3 if dtype == torch.float32 else 1e-6
    torch.testing.assert_close(rho(unseen).double(), truth(unseen), rtol=tolerance, atol=tolerance)


def test_another_component_by_one_recovered_element():
    group = MinkowskiForm().isometry_group(3)
    t0 = group.sample(component=(-1, 1), dtype=torch.float64)
    rho = LearnedIsometry(group, 2).double()
    t = rho(torch.randn(4, 2, dtype=torch.float64)) @ t0
    assert group.contains(t).all()
    assert (group.component(t) == group.component(t0)).all()


def test_errors_name_what_is_wanted():
    with pytest.raises(ValueError, match="num_factors must be at least 1, got num_factors=0"):
        LearnedIsometry(SO3, 2, num_factors=0)
    with pytest.raises(TypeError, match=r"group .* use EuclideanForm\(\)\.isometry_group\(d\)"):
        LearnedIsometry(EuclideanForm(), 2)
    with pytest.raises(TypeError, match=r"num_parameters must be an int, got 2\.0"):
        LearnedIsometry(SO3, 2.0)
    with pytest.raises(TypeError, match=r"network must be a module such as nn\.Linear"):
        LearnedIsometry(SO3, 2, network=nn.Linear)
    rho = LearnedIsometry(SO3, 2)
    with pytest.raises(ValueError, match=r"theta must have shape \(\.\.\., 2\), got \(4, 3\)"):
        rho(torch.ones(4, 3))
    with pytest.raises(ValueError, match=r"theta .*got \(\)"):
        rho(torch.ones(()))
    with pytest.raises(ValueError, match=r"network must return shape \(\.\.\., 6\).*\(1, 3\)"):
        LearnedIsometry(SO3, 2, num_factors=2, network=nn.Linear(2, 3))(torch.ones(1, 2))
    with pytest.raises(ValueError, match=r"moments must have shape \(4, 3, 3\).*\(5, 3, 3\)"):
        rho.moment_loss(torch.ones(4, 2), Moments.zeros(5, d=3))
