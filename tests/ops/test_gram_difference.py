"""The Gram-difference op against its definition written out by loops, for every form."""

import pytest
import torch

from equiform import (
    EuclideanForm,
    IndefiniteForm,
    MinkowskiForm,
    SymplecticForm,
)
from equiform.ops import gram_difference
from tests.cases import FORMS, JOINTS

every_form = pytest.mark.parametrize("case", FORMS + JOINTS, ids=lambda case: case.id)
every_backend = pytest.mark.parametrize("backend", ["auto", "gram", "moments", "reference"])


def double(form):
    return torch.complex128 if form.sesquilinear else torch.float64


def by_loops(a, b, form, exclude_diagonal=False, weights=None, mask=None):
    """The definition, one pair at a time, in float64, through the dense matrix J."""
    weights = torch.ones(len(a)) if weights is None else weights
    mask = torch.ones(len(a), len(a)) if mask is None else mask
    members = getattr(form, "members", [(form, slice(0, a.shape[-1]))])
    total = 0.0
    for member, s in members:
        j = member.matrix(s.stop - s.start, dtype=a.dtype)
        for i in range(len(a)):
            for k in range(len(a)):
                if i == k and exclude_diagonal:
                    continue
                difference = a[i, s] @ j @ a[k, s].conj() - b[i, s] @ j @ b[k, s].conj()
                total += float(weights[i] * weights[k] * mask[i, k] * difference.abs() ** 2)
    return total


@every_form
@every_backend
@pytest.mark.parametrize("exclude_diagonal", [False, True])
@pytest.mark.parametrize("n", [1, 2, 5])
def test_matches_the_definition(case, n, exclude_diagonal, backend):
    a, b = torch.randn(2, 3, n, case.dim, dtype=double(case.form))
    result = gram_difference(a, b, case.form, exclude_diagonal=exclude_diagonal, backend=backend)
    assert result.shape == (3,)
    assert result.dtype == torch.float64
    # Moments subtract sums of squared products, whose rounding stays where the loss is zero.
    size = [case.form.coordinates(x).abs().square().sum() for x in (a, b)]
    scale = float(sum(size)) ** 2
    for c in range(3):
        oracle = by_loops(a[c], b[c], case.form, exclude_diagonal)
        assert float(result[c]) == pytest.approx(oracle, rel=1e-10, abs=1e-14 * scale)


@every_form
@pytest.mark.parametrize("backend", ["auto", "gram", "moments", "reference"])
def test_weights_scale_pairs(case, backend):
    a, b = torch.randn(2, 5, case.dim, dtype=double(case.form))
    weights = torch.tensor([0.0, 0.5, 1.0, 2.0, 3.0], dtype=torch.float64)
    result = gram_difference(a, b, case.form, weights=weights, backend=backend)
    assert float(result) == pytest.approx(by_loops(a, b, case.form, weights=weights), rel=1e-9)


@every_form
@pytest.mark.parametrize("exclude_diagonal", [False, True])
@pytest.mark.parametrize("backend", ["auto", "gram", "reference"])
def test_a_mask_keeps_pairs(case, exclude_diagonal, backend):
    n = 300  # more than one tile
    a, b = torch.randn(2, 2, n, case.dim, dtype=double(case.form))
    mask = torch.rand(2, n, n) > 0.5
    kwargs = {"mask": mask, "exclude_diagonal": exclude_diagonal}
    result = gram_difference(a, b, case.form, backend=backend, **kwargs)
    for c in range(2):
        grams = case.form.gram(a[c]) - case.form.gram(b[c])
        kept = mask[c] & ~torch.eye(n, dtype=torch.bool) if exclude_diagonal else mask[c]
        torch.testing.assert_close(result[c], (grams.abs() ** 2 * kept).sum())
    shared = gram_difference(a, b, case.form, mask=mask[0], backend=backend)
    first = gram_difference(a[:1], b[:1], case.form, mask=mask[:1], backend=backend)
    torch.testing.assert_close(shared[:1], first)
    with pytest.raises(ValueError, match="mask"):
        gram_difference(a, b, case.form, mask=mask, backend="moments")


@pytest.mark.parametrize("n", [1, 2, 17, 129, 513])
@pytest.mark.parametrize("d", [1, 3, 17, 128])
@pytest.mark.parametrize("backend", ["gram", "moments"])
@pytest.mark.parametrize("exclude_diagonal", [False, True])
def test_values_and_gradients_agree_with_the_reference(n, d, backend, exclude_diagonal, dtype):
    forms = [EuclideanForm(), IndefiniteForm(d // 2, d - d // 2)]
    forms += [SymplecticForm()] if d % 2 == 0 else []
    for form in forms:
        x, y = torch.randn(2, 2, n, d, dtype=torch.float64) / d**0.5
        cotangent = torch.rand(2, dtype=torch.float64) + 0.5
        results = []
        for kind, route in ((torch.float64, "reference"), (dtype, backend)):
            a, b = x.to(kind).requires_grad_(), y.to(kind).requires_grad_()
            loss = gram_difference(a, b, form, exclude_diagonal=exclude_diagonal, backend=route)
            results.append((loss, *torch.autograd.grad((loss * cotangent).sum(), (a, b))))
        for reference, result in zip(*results, strict=True):
            assert result.dtype == dtype
            tolerance = 50 * torch.finfo(dtype).eps * (1 + float(reference.detach().abs().max()))
            torch.testing.assert_close(
                result.double(), reference, rtol=50 * torch.finfo(dtype).eps, atol=tolerance
            )


@every_form
@pytest.mark.parametrize("exclude_diagonal", [False, True])
@pytest.mark.parametrize("backend", ["gram", "moments", "reference"])
def test_gradcheck(case, exclude_diagonal, backend):
    a, b = torch.randn(2, 2, 3, case.dim, dtype=double(case.form))
    a.requires_grad_()
    b.requires_grad_()

    def loss(x, y):
        return gram_difference(x, y, case.form, exclude_diagonal=exclude_diagonal, backend=backend)

    assert torch.autograd.gradcheck(loss, (a, b), fast_mode=True)
    assert torch.autograd.gradgradcheck(loss, (a, b), fast_mode=True)


@every_form
@pytest.mark.parametrize("backend", ["gram", "moments", "reference"])
def test_second_derivatives_where_the_grams_agree(case, backend):
    a = torch.randn(2, 5, case.dim, dtype=double(case.form), requires_grad=True)
    v = torch.randn_like(a)

    def loss(x):
        return gram_difference(x, a.detach(), case.form, backend=backend).sum()

    (gradient,) = torch.autograd.grad(loss(a), a, create_graph=True)
    (product,) = torch.autograd.grad(gradient, a, v)
    # Of a square that vanishes, half the second derivative along v is the square of the first.
    d = torch.func.jvp(case.form.gram, (a.detach(),), (v,))[1]
    torch.testing.assert_close((product * v.conj()).real.sum() / 2, d.abs().square().sum())


def test_gradgradcheck_with_a_mask_and_a_third_derivative():
    a, b = torch.randn(2, 4, 2, dtype=torch.float64)
    a.requires_grad_()
    b.requires_grad_()
    mask = torch.rand(4, 4) > 0.4
    form = IndefiniteForm(1, 1)
    for kwargs in ({"mask": mask}, {"mask": mask, "exclude_diagonal": True}):
        assert torch.autograd.gradgradcheck(
            lambda x, y, kwargs=kwargs: gram_difference(x, y, form, **kwargs), (a, b)
        )

    def gradient_norm(x, y):
        loss = gram_difference(x, y, form)
        return sum(g.square().sum() for g in torch.autograd.grad(loss, (x, y), create_graph=True))

    assert torch.autograd.gradgradcheck(gradient_norm, (a, b))


@pytest.mark.parametrize("sigma", [1.0, 1e-2, 1e-4])
@pytest.mark.parametrize("backend", ["gram", "moments", "auto"])
def test_the_loss_is_right_near_convergence(sigma, backend):
    # A loss that is wrong exactly when training succeeds is not acceptable: in float32 moments
    # would be off by more than 100% at the smallest noise.
    n, d = 1024, 32
    b = torch.nn.functional.normalize(torch.randn(n, d, dtype=torch.float64), dim=-1)
    t = EuclideanForm().isometry_group(d).sample(dtype=torch.float64)
    a = (b @ t.mT + sigma * torch.randn(n, d, dtype=torch.float64)).float()
    b = b.float()
    results = []
    for kind, route in ((torch.float64, "reference"), (torch.float32, backend)):
        x, y = a.to(kind).requires_grad_(), b.to(kind).requires_grad_()
        loss = gram_difference(x, y, EuclideanForm(), backend=route)
        results.append((loss.detach(), *torch.autograd.grad(loss, (x, y))))
    errors = [
        float(torch.linalg.vector_norm(got.double() - want) / torch.linalg.vector_norm(want))
        for want, got in zip(*results, strict=True)
    ]
    assert errors[0] <= 1e-5
    assert max(errors[1:]) <= 5e-3


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
    for backend in ("auto", "gram", "moments", "reference"):
        assert gram_difference(a, b, EuclideanForm(), backend=backend).isnan()


@every_backend
@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
def test_half_precision_is_computed_in_float32(backend, half):
    a, b = torch.randn(2, 9, 4).to(half)
    got = gram_difference(a, b, MinkowskiForm(), backend=backend)
    want = gram_difference(a.float(), b.float(), MinkowskiForm(), backend=backend)
    assert torch.equal(got, want)


@pytest.mark.parametrize("exclude_diagonal", [False, True])
@pytest.mark.parametrize("sigma", [1.0, 1e-2, 1e-4])
def test_the_gauge_is_right_in_single_precision(sigma, exclude_diagonal, dtype):
    b = torch.nn.functional.normalize(torch.randn(2, 600, 24, dtype=torch.float64), dim=-1)
    t = EuclideanForm().isometry_group(24).sample(2, dtype=torch.float64)
    a = (b @ t.mT + sigma * torch.randn_like(b)).to(dtype)
    b = b.to(dtype)
    results = []
    for kind, route in ((torch.float64, "reference"), (dtype, "gauge")):
        x, y = a.to(kind).requires_grad_(), b.to(kind).requires_grad_()
        loss = gram_difference(
            x, y, EuclideanForm(), exclude_diagonal=exclude_diagonal, backend=route
        )
        results.append((loss.detach(), *torch.autograd.grad(loss.sum(), (x, y))))
    errors = [
        float(torch.linalg.vector_norm(got.double() - want) / torch.linalg.vector_norm(want))
        for want, got in zip(*results, strict=True)
    ]
    # Aligned coordinates are wrong by ε at random, against displacements of σ, and the loss takes
    # the mean of n d of them; beside that there are the roundings of its sums.
    rounding = torch.finfo(torch.float32).eps * (10 + 3 / (sigma * (600 * 24) ** 0.5))
    assert errors[0] <= (rounding if dtype == torch.float32 else 1e-9)
    assert max(errors[1:]) <= (5e-3 if dtype == torch.float32 else 1e-9)


def test_the_gauge_takes_a_factorisation_that_is_not_orthogonal_to_the_last_digit(monkeypatch):
    svd = torch.linalg.svd

    def rough(m):
        u, s, vh = svd(m)
        return u + 1e-9 * torch.randn_like(u), s, vh

    a, b = torch.randn(2, 3, 40, 6, dtype=torch.float64)
    want = gram_difference(a, b, EuclideanForm(), backend="reference")
    monkeypatch.setattr(torch.linalg, "svd", rough)
    got = gram_difference(a, b, EuclideanForm(), backend="gauge")
    torch.testing.assert_close(got, want, rtol=1e-13, atol=0)


def test_the_gauge_is_for_the_euclidean_form():
    a = torch.randn(5, 4)
    with pytest.raises(ValueError, match="Euclidean"):
        gram_difference(a, a, MinkowskiForm(), backend="gauge")
    with pytest.raises(ValueError, match="mask"):
        gram_difference(a, a, EuclideanForm(), mask=torch.ones(5, 5) > 0, backend="gauge")


@every_backend
def test_edges(backend):
    empty = torch.zeros(2, 0, 3)
    assert torch.equal(
        gram_difference(empty, empty, EuclideanForm(), backend=backend), torch.zeros(2)
    )
    zero = torch.zeros(4, 3, requires_grad=True)
    loss = gram_difference(zero, zero, EuclideanForm(), backend=backend)
    loss.backward()
    assert loss == 0
    assert torch.equal(zero.grad, torch.zeros(4, 3))
    huge = 1e4 * torch.randn(6, 3)
    value = gram_difference(huge, 2 * huge, EuclideanForm(), backend=backend)
    exact = gram_difference(huge.double(), 2 * huge.double(), EuclideanForm())
    torch.testing.assert_close(value.double(), exact, rtol=1e-5, atol=0)


@pytest.mark.parametrize("backend", ["gram", "moments"])
def test_same_bits_twice(backend):
    a, b = torch.randn(2, 700, 33)
    results = []
    for _ in range(2):
        x, y = a.clone().requires_grad_(), b.clone().requires_grad_()
        loss = gram_difference(x, y, EuclideanForm(), backend=backend)
        results.append((loss, *torch.autograd.grad(loss, (x, y))))
    assert all(torch.equal(p, q) for p, q in zip(*results, strict=True))
