"""A learned map of half precision, of NaN, under transforms, and of what is no parameter."""

import pytest
import torch

from equiform import SpecialOrthogonal
from equiform.groups import Moments
from equiform.steering import LearnedIsometry

SO3 = SpecialOrthogonal(3)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_half_precision_gives_isometries(dtype, scale):
    rho = LearnedIsometry(SO3, 1, num_factors=2).to(dtype)
    with torch.no_grad():
        rho.network.weight.normal_()
    t = rho(scale * torch.randn(20, 1, dtype=dtype))
    assert t.dtype == torch.float32
    assert SO3.contains(t).all()
    torch.testing.assert_close(t @ t.mT, torch.eye(3).expand_as(t), rtol=0, atol=1e-5)
    theta = torch.randn(3, 5, 1, dtype=dtype)
    assert rho.composition_loss(*theta).dtype == torch.float32
    assert rho.moment_loss(theta[0], Moments.of(*torch.randn(2, 5, 9, 3))).dtype == torch.float32


def test_nan_comes_out_as_nan_row_by_row():
    rho = LearnedIsometry(SO3, 2)
    theta = torch.randn(3, 2)
    theta[1, 0] = torch.nan
    t = rho(theta)
    assert t[1].isnan().all()
    assert SO3.contains(t).tolist() == [True, False, True]
    assert rho.composition_loss(theta, theta, theta).isnan()
    assert rho.moment_loss(theta, Moments.of(*torch.randn(2, 3, 9, 3))).isnan()
    broken = torch.randn(2, 3, 9, 3)
    broken[0, 0, 0, 0] = torch.nan
    assert rho.moment_loss(torch.randn(3, 2), Moments.of(*broken)).isnan()


def test_it_works_under_transforms():
    rho = LearnedIsometry(SO3, 2, num_factors=2)
    theta = torch.randn(4, 2)
    torch.testing.assert_close(torch.func.vmap(rho)(theta), rho(theta))
    jacobian = torch.func.vmap(torch.func.jacrev(rho))(theta)
    torch.testing.assert_close(torch.func.vmap(torch.func.jacfwd(rho))(theta), jacobian)
    assert torch.func.hessian(lambda x: rho(x).sum())(torch.zeros(2)).isfinite().all()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda rho: rho([0.0, 1.0]), TypeError, "theta must be a tensor .* got list"),
        (lambda rho: rho(None), TypeError, "theta must be a tensor .* got NoneType"),
        (lambda rho: rho(torch.ones(2, dtype=torch.int64)), TypeError, "theta .* got torch.int64"),
        (lambda rho: rho(torch.tensor(1.0)), ValueError, r"theta must have shape \(\.\.\., 2\)"),
        (lambda rho: rho.moment_loss(torch.ones(1, 2), None), TypeError, "moments must be"),
        (
            lambda rho: rho.composition_loss(torch.ones(1, 2), torch.ones(2, 2), torch.ones(1, 2)),
            ValueError,
            "theta and theta_prime and composed must have one shape",
        ),
    ],
)
def test_misuse_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call(LearnedIsometry(SO3, 2))
