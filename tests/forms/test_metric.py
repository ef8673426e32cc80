"""MetricForm and forms of one's own: what is refused, and what the base makes of the rest."""

import copy
import io
import pickle

import pytest
import torch

from equiform import (
    BilinearForm,
    EuclideanForm,
    IndefiniteForm,
    MetricForm,
    PairwiseEquivarianceLoss,
    SymplecticForm,
)
from equiform.functional import relative_equivariance, wahba_error
from equiform.ops import gram_difference


def random_metric(d, symmetry, condition, *, complex_=False):
    """A matrix of a symmetry with singular values from 1 to the condition number."""
    dtype = torch.complex128 if complex_ else torch.float64
    q, _ = torch.linalg.qr(torch.randn(d, d, dtype=dtype))
    if symmetry == 1:
        signs = torch.where(torch.rand(d) < 0.5, -1, 1)
        s = (q * (signs * torch.logspace(0, 1, d, base=condition, dtype=torch.float64))) @ q.mH
        return (s + s.mH) / 2
    planes = torch.logspace(0, 1, d // 2, base=condition, dtype=torch.float64)
    j = torch.zeros(d, d, dtype=dtype)
    j[: d // 2, d // 2 :], j[d // 2 :, : d // 2] = planes.diag(), -planes.diag()
    s = q @ j @ q.mT
    return (s - s.mT) / 2


KINDS = [(1, False), (-1, False), (1, True)]
kinds = pytest.mark.parametrize(("symmetry", "complex_"), KINDS, ids=["symmetric", "skew", "herm"])


@kinds
@pytest.mark.parametrize("condition", [1.0, 1e2, 1e4])
@pytest.mark.parametrize("backend", ["auto", "gram", "moments", "reference"])
def test_the_loss_of_every_backend_is_that_of_dense_gram_matrices(
    symmetry, complex_, condition, backend
):
    s = random_metric(6, symmetry, condition, complex_=complex_)
    a, b = torch.randn(2, 3, 40, 6, dtype=s.dtype)
    weights = torch.rand(3, 40, dtype=torch.float64)
    root = weights.sqrt()[..., None]
    dense = [root * x @ s @ (root * x).mH for x in (a, b)]
    oracle = (dense[0] - dense[1]).abs().square().sum((-2, -1))
    loss = gram_difference(a, b, MetricForm(s), weights=weights, backend=backend)
    torch.testing.assert_close(loss, oracle, rtol=1e-10, atol=0)


@kinds
@pytest.mark.parametrize("condition", [1e2, 1e4])
def test_everything_is_what_it_is_in_the_coordinates_of_the_standard_form(
    symmetry, complex_, condition
):
    d = 6
    s = random_metric(d, symmetry, condition, complex_=complex_)
    form = MetricForm(s)
    standard, group = form.standard(), form.isometry_group(d)
    t = group.sample(rapidity=0.5, dtype=s.dtype)
    b = torch.randn(50, d, dtype=s.dtype)
    a = b @ t.mT
    noisy = a + 0.01 * torch.randn_like(a)
    bc, ac = form.coordinates(b), form.coordinates(noisy)
    rounding = 1e-12 * condition**1.5

    close = torch.testing.assert_close
    loss = PairwiseEquivarianceLoss(form, normalization="relative")
    close(loss(b, noisy), PairwiseEquivarianceLoss(standard, normalization="relative")(bc, ac))
    assert float(loss(b, a)) < 1e-20 * condition**2
    fit, oracle = group.recover(b, noisy), standard.isometry_group(d).recover(bc, ac)
    c = form.frame(d).mT
    close(
        torch.linalg.solve(c, c @ fit.matrix, left=False), oracle.matrix, rtol=1e-7, atol=rounding
    )
    close(fit.residual, oracle.residual, rtol=1e-7, atol=rounding)
    exact = group.recover(b, a)
    assert torch.linalg.matrix_norm(exact.matrix - t) < rounding * torch.linalg.matrix_norm(t)
    assert float(wahba_error(b, a, group)) < rounding
    assert float(relative_equivariance(b, a, form)) < rounding
    close(
        relative_equivariance(b, noisy, form),
        relative_equivariance(bc, ac, standard),
        rtol=1e-6,
        atol=rounding,
    )
    extended = group.extend(b, a)
    assert torch.linalg.matrix_norm(extended - t) < rounding * torch.linalg.matrix_norm(t)


def test_a_mahalanobis_metric_in_float32():
    x = torch.randn(200, 5) @ torch.randn(5, 5)
    form = MetricForm(torch.linalg.inv(x.mT.cov().double()))
    group = form.isometry_group(5)
    t = group.sample()
    y = x @ t.mT
    assert t.dtype == torch.float32
    assert group.contains(t)
    torch.testing.assert_close(form.gram(y), form.gram(x), rtol=1e-3, atol=1e-3)
    assert PairwiseEquivarianceLoss(form)(x, y) < 1e-6
    assert PairwiseEquivarianceLoss(form)(x, 1.1 * y) > 1e-2


def test_forms_are_values_that_copy_and_pickle():
    s = random_metric(4, 1, 10.0)
    form = MetricForm(s)
    form.isometry_group(4).sample()
    for other in (copy.deepcopy(form), pickle.loads(pickle.dumps(form)), MetricForm(s.clone())):
        assert other == form
        assert hash(other) == hash(form)
        assert torch.equal(other.gram(s), form.gram(s))
    assert form != MetricForm(2 * s)
    buffer = io.BytesIO()
    torch.save(PairwiseEquivarianceLoss(form), buffer)
    buffer.seek(0)
    assert torch.load(buffer, weights_only=False).form == form


@pytest.mark.parametrize(
    ("s", "error", "message"),
    [
        (torch.ones(3), ValueError, r"shape \(d, d\), got shape \(3,\)"),
        (torch.ones(2, 3), ValueError, "square"),
        (torch.full((2, 2), torch.nan), ValueError, "finite"),
        (torch.tensor([[1.0, 2.0], [0.0, 1.0]]), ValueError, r"use \(S \+ S.mH\) / 2"),
        (torch.diag(torch.tensor([1.0, 0.0])), ValueError, "nondegenerate"),
        (torch.ones(3, 3), ValueError, "nondegenerate S, got one with singular values from 3"),
        (torch.tensor([[0.0, 1, 2], [-1, 0, 3], [-2, -3, 0]]), ValueError, "nondegenerate"),
        (1j * torch.eye(2), ValueError, "1j"),
        (torch.tensor([[1, 1j], [1j, 2]]), ValueError, "Hermitian"),
        ([[1.0, 0.0], [0.0, 1.0]], TypeError, "torch.as_tensor"),
        (torch.eye(2).bool(), TypeError, "tensor of numbers"),
    ],
)
def test_other_matrices_are_refused_with_the_remedy(s, error, message):
    with pytest.raises(error, match=message):
        MetricForm(s)


def test_integers_are_a_matrix():
    assert MetricForm(torch.tensor([[2, 1], [1, 2]])).signature(2) == (2, 0)
    assert MetricForm(torch.tensor([[0, 3], [-3, 0]])).standard() == SymplecticForm()
    assert MetricForm(torch.diag(torch.tensor([1, -2, -3]))).standard() == IndefiniteForm(1, 2)


class Shifted(BilinearForm):
    """A permutation that is no involution."""

    def signed_permutation(self, d):
        return [*range(1, d), 0], None


class Wrong(BilinearForm):
    """A skew J that calls itself symmetric."""

    def signed_permutation(self, d):
        return [1, 0], [1, -1]


class Given(BilinearForm):
    """Whatever it is told."""

    def __init__(self, given):
        self.given = given

    def signed_permutation(self, d):
        return self.given


class Reversed(BilinearForm):
    """The coordinates in reverse order, given as tensors, with a parameter."""

    def __init__(self, sign):
        self.sign = sign

    def signed_permutation(self, d):
        return torch.arange(d).flip(0), torch.full((d,), self.sign)


def test_a_form_that_is_no_signed_permutation_is_refused_with_the_law():
    with pytest.raises(TypeError, match=r"overrides apply.*J² = εI.*MetricForm\(S\)"):
        type("Scaled", (BilinearForm,), {"apply": lambda self, x: 2 * x})
    for form, d in ((Shifted(), 3), (Wrong(), 2)):
        for use in (
            lambda f, x: PairwiseEquivarianceLoss(f)(x, x),
            lambda f, x: f.isometry_group(x.shape[-1]),
            lambda f, x: f.gram(x),
            lambda f, x: f.matrix(x.shape[-1]),
        ):
            with pytest.raises(ValueError, match=r"J² = εI.*MetricForm\(S\)"):
                use(form, torch.randn(5, d))


@pytest.mark.parametrize(
    "given",
    [
        None,
        [1, 0],
        torch.eye(2),
        ([1.0, 0.0], None),
        ([0.4, 1.9], None),
        (torch.tensor([1.0, 0.0]), None),
        (None, [1, -1.5]),
        (None, ["1", "1"]),
        ([1, 0, 2], None),
        ([[1], [0]], None),
        ([2, 0], None),
        (None, [1, 2]),
        (None, 1),
    ],
    ids=str,
)
def test_what_is_no_pair_of_integers_is_refused_with_the_law(given):
    for use in (lambda f: f.matrix(2), lambda f: f.signature(2), lambda f: f.isometry_group(2)):
        with pytest.raises(ValueError, match=r"in integers; got (?s:.*)MetricForm\(S\)"):
            use(Given(given))


def test_integers_of_other_libraries_are_integers():
    import numpy as np

    swap = ([1, 0], [1, 1])
    for index in (np.array([1, 0]), torch.tensor([1, 0]), (1, 0), range(1, -1, -1)):
        assert Given((index, None)).columns(2) == swap


def test_symmetry_tells_two_metrics_apart():
    # The eigenvectors of iS for a skew S are those of the Hermitian iS itself.
    s = torch.tensor([[0.0, 2.0], [-2.0, 0.0]], dtype=torch.float64)
    assert MetricForm(s) != MetricForm(1j * s)
    assert MetricForm(s) == MetricForm(s.clone())


def test_what_a_metric_cannot_multiply_is_refused():
    real = MetricForm(torch.tensor([[2.0, 1.0], [1.0, 2.0]]))
    hermitian = MetricForm(torch.tensor([[2.0, 1j], [-1j, 2.0]]))
    for form, dtype in ((real, torch.int64), (real, torch.complex64), (hermitian, torch.float32)):
        x = torch.ones(3, 2, dtype=dtype)
        for use in (form.apply, form.coordinates, lambda x, f=form: f.matrix(2, dtype=x.dtype)):
            with pytest.raises(TypeError, match="embeddings, got torch"):
                use(x)
    for use in (real.matrix, real.frame, real.isometry_group, real.signature):
        with pytest.raises(ValueError, match="lives on 2 dimensions, got d=3"):
            use(3)


def test_a_form_of_ones_own_is_right_and_its_parameters_tell_it_apart():
    plus, minus = Reversed(1), Reversed(-1)
    assert plus == Reversed(1)
    assert plus != minus
    assert plus.signature(3) == (2, 1)
    assert minus.signature(3) == (1, 2)
    x = torch.randn(6, 3, dtype=torch.float64)
    torch.testing.assert_close(minus.gram(x), -(x.flip(-1) @ x.mT))
    for form in (plus, minus):
        group = form.isometry_group(3)
        t = group.sample(dtype=torch.float64)
        torch.testing.assert_close(t.mT @ form.matrix(3).double() @ t, form.matrix(3).double())
        assert PairwiseEquivarianceLoss(form)(x, x @ t.mT) < 1e-20
        torch.testing.assert_close(group.recover(x, x @ t.mT).matrix, t)


def test_orthogonal_sums_check_their_parts():
    from equiform import OrthogonalSum

    with pytest.raises(TypeError, match=r"\(form, int\) parts"):
        OrthogonalSum([(EuclideanForm(), 2.0)])
    with pytest.raises(TypeError, match=r"p must be an int, got 1\.5"):
        IndefiniteForm(1.5, 2)
