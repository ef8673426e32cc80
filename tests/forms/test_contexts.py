"""Forms and groups that are made inside a context of torch serve as those made outside of it."""

import copy

import pytest
import torch

from equiform import MetricForm
from equiform.functional import pairwise_equivariance
from tests.cases import FORMS, JOINTS

every_form = pytest.mark.parametrize("case", FORMS + JOINTS, ids=lambda case: case.id)


def points(case, n=6):
    dtype = torch.complex128 if case.form.sesquilinear else torch.float64
    return torch.randn(n, case.dim, dtype=dtype, device="cpu")


def fresh(form):
    """An equal form that has worked out nothing yet."""
    return copy.deepcopy(form)


@every_form
def test_points_on_a_device_that_is_not_the_default_one(case):
    b, a = points(case), points(case)
    expected = case.form.gram(b), pairwise_equivariance(b, a, case.form)
    fit = case.form.isometry_group(case.dim).recover(b, a).matrix
    form = fresh(case.form)
    with torch.device("meta"):
        group = form.isometry_group(case.dim)
        found = form.gram(b), pairwise_equivariance(b, a, form)
        torch.testing.assert_close(group.recover(b, a).matrix, fit)
        assert group.algebra_basis(device="cpu").device.type == "cpu"
    torch.testing.assert_close(found, expected)


@every_form
def test_what_is_made_in_inference_mode_can_be_trained_with(case):
    b, a = points(case).requires_grad_(), points(case)
    form = fresh(case.form)
    with torch.inference_mode():
        group = form.isometry_group(case.dim)
        pairwise_equivariance(b, a, form)
    fit = group.recover(b, a).matrix
    for value in (form.gram(b), pairwise_equivariance(b, a, form), fit, group.polar(fit)):
        (gradient,) = torch.autograd.grad(value.abs().sum(), b, retain_graph=True)
        assert gradient.isfinite().all()


def test_a_matrix_from_inference_mode_makes_a_form_to_train_with():
    with torch.inference_mode():
        s = torch.tensor([[2.0, 1.0], [1.0, -1.0]], dtype=torch.float64)
        inside = MetricForm(s)
    x = torch.randn(4, 2, dtype=torch.float64, requires_grad=True)
    for form in (inside, MetricForm(s)):
        assert form.gram(x).sum().requires_grad
        form.gram(x).sum().backward()
