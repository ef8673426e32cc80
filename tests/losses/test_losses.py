"""The losses: what is zero when, scales, chunks, precision, and errors."""

import copy
import math
import pickle

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given

from equiform import (
    CARELoss,
    EuclideanForm,
    InfoNCELoss,
    InvarianceLoss,
    MinkowskiForm,
    PairwiseEquivarianceLoss,
    SymplecticForm,
    UniformityLoss,
    functional,
)
from equiform.testing import group_elements, matrices
from tests.cases import FORMS, JOINTS

every_form = pytest.mark.parametrize("case", FORMS + JOINTS, ids=lambda case: case.id)


def unit(*shape, dtype=torch.float64):
    return torch.nn.functional.normalize(torch.randn(*shape, dtype=dtype), dim=-1)


@every_form
@given(data=st.data())
def test_equivariance_is_zero_under_the_group_and_only_there(case, data):
    form, d = case.form, case.dim
    b = data.draw(matrices(2 * d + 1, d, sesquilinear=form.sesquilinear))
    t = data.draw(group_elements(form.isometry_group(d), rapidities=(0.0, 0.5)))
    loss = PairwiseEquivarianceLoss(form)
    size = float(torch.linalg.matrix_norm(form.coordinates(b), 2)) ** 4 + 1e-30
    assert float(loss(b, b @ t.mT)) <= 1e-24 * size * case.condition**2
    difference = form.gram(1.5 * b) - form.gram(b)
    expected = difference.abs().square().sum() / (2 * d + 1) ** 2
    torch.testing.assert_close(loss(b, 1.5 * b), expected)


@every_form
def test_each_chunk_may_have_a_transformation_of_its_own(case):
    form, d = case.form, case.dim
    dtype = torch.complex128 if form.sesquilinear else torch.float64
    b = torch.randn(4, 6, d, dtype=dtype)
    t = form.isometry_group(d).sample(4, rapidity=0.5, dtype=dtype)
    a = b @ t.mT
    flat = b.flatten(0, 1), a.flatten(0, 1)
    size = float(form.coordinates(a).abs().square().sum()) ** 2
    assert PairwiseEquivarianceLoss(form, num_chunks=4)(*flat) < 1e-26 * size * case.condition**2
    if form.isometry_group(d).algebra_basis().shape[0]:
        assert PairwiseEquivarianceLoss(form, num_chunks=1)(*flat) > 1e-3
        # Chunks are consecutive: interleaved they would mix the transformations.
        mixed = b.transpose(0, 1).flatten(0, 1), a.transpose(0, 1).flatten(0, 1)
        assert PairwiseEquivarianceLoss(form, num_chunks=4)(*mixed) > 1e-3


def test_chunks_are_independent_and_reduced():
    z1, z2 = torch.randn(2, 12, 3, dtype=torch.float64)
    parts = torch.stack(
        [
            functional.pairwise_equivariance(a, b)
            for a, b in zip(z1.chunk(3), z2.chunk(3), strict=True)
        ]
    )
    for reduction, expected in (("none", parts), ("mean", parts.mean()), ("sum", parts.sum())):
        loss = PairwiseEquivarianceLoss(num_chunks=3, reduction=reduction)
        torch.testing.assert_close(loss(z1, z2), expected)
        stacked = PairwiseEquivarianceLoss(reduction=reduction)
        torch.testing.assert_close(stacked(z1.view(3, 4, 3), z2.view(3, 4, 3)), expected)


@pytest.mark.filterwarnings("ignore:chunks of one point")
@pytest.mark.parametrize("n", [1, 2, 16])
def test_care_scale_is_2n_times_pairs_on_the_sphere(n):
    z1, z2 = unit(2 * n, 5), unit(2 * n, 5)
    pairs = functional.pairwise_equivariance(z1, z2, num_chunks=2)
    care = functional.pairwise_equivariance(z1, z2, num_chunks=2, normalization="care")
    torch.testing.assert_close(care, 2 * n * pairs)
    # Off the sphere the diagonal differs, which only "pairs" counts.
    pairs = functional.pairwise_equivariance(2 * z1, z2)
    care = functional.pairwise_equivariance(2 * z1, z2, normalization="care")
    torch.testing.assert_close(4 * n * pairs - care, 2 * torch.tensor(9.0).double())


def test_symplectic_and_minkowski_are_not_euclidean():
    z1, z2 = torch.randn(2, 7, 4, dtype=torch.float64)
    losses = [
        functional.pairwise_equivariance(z1, z2, f())
        for f in (EuclideanForm, MinkowskiForm, SymplecticForm)
    ]
    assert len({round(float(loss), 6) for loss in losses}) == 3


@pytest.mark.parametrize("temperature", [0.05, 0.5, 2.0])
def test_info_nce_is_cross_entropy_over_the_other_views(temperature, dtype):
    n = 5
    z1, z2 = unit(n, 3, dtype=dtype), unit(n, 3, dtype=dtype)
    z = torch.cat([z1, z2]).double()
    rows = []
    for i in range(2 * n):
        others = [j for j in range(2 * n) if j != i]
        logits = torch.stack([z[i] @ z[j] for j in others]) / temperature
        target = others.index((i + n) % (2 * n))
        rows.append(torch.nn.functional.cross_entropy(logits, torch.tensor(target)))
    expected = torch.stack(rows).mean().to(dtype)
    torch.testing.assert_close(InfoNCELoss(temperature)(z1, z2), expected)


def test_info_nce_survives_small_temperatures_where_exponentials_overflow():
    z1, z2 = unit(6, 4, dtype=torch.float32), unit(6, 4, dtype=torch.float32)
    z1.requires_grad_()
    loss = functional.info_nce(z1, z2, 1e-3)
    (gradient,) = torch.autograd.grad(loss, z1)
    assert loss.isfinite()
    assert gradient.isfinite().all()
    assert functional.info_nce(z1[:1], z2[:1]) == 0


def test_uniformity_is_the_log_mean_off_diagonal_exponential():
    z1, z2 = unit(6, 3), unit(6, 3)
    expected = 0.0
    for z in (z1, z2):
        pairs = [math.exp(float(z[i] @ z[j]) / 0.7) for i in range(6) for j in range(6) if i != j]
        expected += math.log(sum(pairs) / len(pairs)) / 2
    assert float(UniformityLoss(0.7)(z1, z2)) == pytest.approx(expected, rel=1e-12)
    collapsed = unit(1, 3).expand(6, 3)
    assert float(UniformityLoss(0.7)(collapsed, collapsed)) == pytest.approx(1 / 0.7)


def test_invariance_is_the_mean_displacement():
    z1, z2 = torch.randn(2, 6, 3, dtype=torch.float64)
    torch.testing.assert_close(InvarianceLoss()(z1, z2), (z1 - z2).norm(dim=-1).mean())
    z = z1.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(InvarianceLoss()(z, z1), z)
    assert torch.equal(gradient, torch.zeros_like(z))


def test_care_adds_its_terms():
    z = [unit(8, 4) for _ in range(4)]
    loss = CARELoss(InfoNCELoss(0.2), PairwiseEquivarianceLoss(num_chunks=2), weight=3.0)
    terms = loss(*z)
    torch.testing.assert_close(terms.contrastive, functional.info_nce(z[0], z[1], 0.2))
    torch.testing.assert_close(
        terms.equivariance, functional.pairwise_equivariance(z[2], z[3], num_chunks=2)
    )
    torch.testing.assert_close(terms.total, terms.contrastive + 3.0 * terms.equivariance)
    with pytest.raises(ValueError, match="weight"):
        CARELoss(weight=-1.0)


LOSSES = [
    functional.pairwise_equivariance,
    functional.info_nce,
    functional.uniformity,
    functional.invariance,
]


@pytest.mark.parametrize("loss", LOSSES, ids=lambda f: f.__name__)
def test_gradcheck(loss):
    z1, z2 = (unit(4, 3).requires_grad_() for _ in range(2))
    assert torch.autograd.gradcheck(loss, (z1, z2))


@pytest.mark.parametrize("loss", LOSSES, ids=lambda f: f.__name__)
@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
def test_half_precision_is_upcast_and_autocast_left(loss, half):
    z1, z2 = unit(6, 8).to(half), unit(6, 8).to(half)
    expected = loss(z1.float(), z2.float())
    assert torch.equal(loss(z1, z2), expected)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = loss(z1.float(), z2.float())
    assert inside.dtype == torch.float32
    assert torch.equal(inside, expected)


@pytest.mark.parametrize("loss", LOSSES, ids=lambda f: f.__name__)
def test_views_are_checked_and_left_alone(loss):
    z1, z2 = unit(4, 3), unit(4, 3)
    copies = z1.clone(), z2.clone()
    loss(z1, z2)
    assert torch.equal(z1, copies[0])
    assert torch.equal(z2, copies[1])
    with pytest.raises(ValueError, match=r"one (non-empty )?shape"):
        loss(z1, z2[:3])
    with pytest.raises(ValueError, match=r"one (non-empty )?shape"):
        loss(z1[:0], z2[:0])
    torch.testing.assert_close(loss(z1.mT.contiguous().mT, z2), loss(z1, z2))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda z: PairwiseEquivarianceLoss(num_chunks=3)(z, z), "batch of 4 does not divide"),
        (lambda z: PairwiseEquivarianceLoss(num_chunks=0)(z, z), "num_chunks=0"),
        (lambda z: PairwiseEquivarianceLoss(normalization="mean")(z, z), "normalization"),
        (lambda z: PairwiseEquivarianceLoss(reduction="max")(z, z), "reduction"),
        (lambda z: PairwiseEquivarianceLoss(backend="fastest")(z, z), "backend"),
        (lambda z: PairwiseEquivarianceLoss(num_chunks=3)(z[None], z[None]), "num_chunks=3"),
        (lambda z: InfoNCELoss(0.0)(z, z), "temperature"),
        (lambda z: InfoNCELoss()(z[None], z[None]), "shape"),
        (lambda z: UniformityLoss()(z[:1], z[:1]), "n=1"),
        (lambda z: functional.info_nce_terms(z[:1], z[:1]), "n=1"),
    ],
)
def test_errors_name_the_argument(call, message):
    with pytest.raises(ValueError, match=message):
        call(torch.ones(4, 3))


def test_modules_print_copy_and_pickle():
    loss = CARELoss(InfoNCELoss(0.2), PairwiseEquivarianceLoss(SymplecticForm(), num_chunks=2))
    text = repr(loss)
    assert "temperature=0.2" in text
    assert "SymplecticForm()" in text
    assert "weight=0.01" in text
    z = [torch.randn(4, 6) for _ in range(4)]
    for other in (copy.deepcopy(loss), pickle.loads(pickle.dumps(loss))):
        assert torch.equal(other(*z).total, loss(*z).total)
