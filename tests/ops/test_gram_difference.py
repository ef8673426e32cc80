"""The Gram-difference op against its definition written out by loops, for every form."""

import pytest
import torch

from equiform import EuclideanForm, HermitianForm, SymplecticForm
from equiform.ops import gram_difference
from tests.cases import FORMS, JOINTS

every_form = pytest.mark.parametrize("case", FORMS + JOINTS, ids=lambda case: case.id)


def double(form):
    return torch.complex128 if form.sesquilinear else torch.float64


def by_loops(a, b, form, exclude_diagonal):
    """The definition, one pair at a time, in float64, through the dense matrix J."""
    members = getattr(form, "members", [(form, slice(0, a.shape[-1]))])
    total = 0.0
    for member, s in members:
        j = member.matrix(s.stop - s.start, dtype=a.dtype)
        for i in range(len(a)):
            for k in range(len(a)):
                if i == k and exclude_diagonal:
                    continue
                difference = a[i, s] @ j @ a[k, s].conj() - b[i, s] @ j @ b[k, s].conj()
                total += float(difference.abs() ** 2)
    return total


@every_form
@pytest.mark.parametrize("exclude_diagonal", [False, True])
@pytest.mark.parametrize("n", [1, 2, 5])
def test_matches_the_definition(case, n, exclude_diagonal):
    a, b = torch.randn(2, 3, n, case.dim, dtype=double(case.form))
    result = gram_difference(a, b, case.form, exclude_diagonal=exclude_diagonal)
    assert result.shape == (3,)
    assert result.dtype == torch.float64
    for c in range(3):
        oracle = by_loops(a[c], b[c], case.form, exclude_diagonal)
        torch.testing.assert_close(float(result[c]), oracle)


@every_form
@pytest.mark.parametrize("exclude_diagonal", [False, True])
def test_gradcheck(case, exclude_diagonal):
    a, b = torch.randn(2, 2, 3, case.dim, dtype=double(case.form))
    a.requires_grad_()
    b.requires_grad_()

    def loss(x, y):
        return gram_difference(x, y, case.form, exclude_diagonal=exclude_diagonal)

    assert torch.autograd.gradcheck(loss, (a, b))
    assert torch.autograd.gradgradcheck(loss, (a, b))


@every_form
def test_strided_inputs_and_single_precision(case):
    dtype = torch.complex64 if case.form.sesquilinear else torch.float32
    a, b = torch.randn(2, case.dim, 7, dtype=double(case.form)).mT
    reference = gram_difference(a, b, case.form)
    torch.testing.assert_close(gram_difference(a.contiguous(), b, case.form), reference)
    low = gram_difference(a.to(dtype), b.to(dtype), case.form)
    assert low.dtype == torch.float32
    torch.testing.assert_close(low.double(), reference, rtol=1e-4, atol=1e-4)
    expanded = gram_difference(a[:1].expand(4, -1), b[:1].expand(4, -1), case.form)
    torch.testing.assert_close(expanded, 16 * gram_difference(a[:1], b[:1], case.form))


def test_inputs_are_left_alone():
    a, b = torch.randn(2, 5, 3, requires_grad=True)
    copies = a.detach().clone(), b.detach().clone()
    (gradient,) = torch.autograd.grad(
        gram_difference(a, b, EuclideanForm(), exclude_diagonal=True), a
    )
    gradient.zero_()
    assert torch.equal(a, copies[0])
    assert torch.equal(b, copies[1])


def test_nan_is_not_hidden():
    a = torch.randn(4, 3)
    b = a.clone()
    b[0, 0] = torch.nan
    assert gram_difference(a, b, EuclideanForm()).isnan()


def test_errors_name_the_argument():
    a = torch.ones(3, 4)
    with pytest.raises(ValueError, match="one shape"):
        gram_difference(a, a[:2], EuclideanForm())
    with pytest.raises(ValueError, match="one shape"):
        gram_difference(a[0], a[0], EuclideanForm())
    with pytest.raises(ValueError, match="backend"):
        gram_difference(a, a, EuclideanForm(), backend="fastest")
    with pytest.raises(ValueError, match="even"):
        gram_difference(a[:, :3], a[:, :3], SymplecticForm())
    with pytest.raises(TypeError, match="complex"):
        gram_difference(a, a, HermitianForm())
