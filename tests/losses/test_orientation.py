"""Orientation terms: the Wahba gap that they measure, degenerate points, chunks and gradients."""

import pickle

import hypothesis.strategies as st
import pytest
import scipy.spatial.transform
import torch
from hypothesis import assume, given

from equiform import MinkowskiForm, PairwiseEquivarianceLoss
from equiform.functional import (
    orientation_determinant,
    orientation_gap,
    pairwise_equivariance,
)
from equiform.losses import OrientationLoss
from equiform.testing import matrices

norm = torch.linalg.matrix_norm
TERMS = [orientation_gap, orientation_determinant]
every_term = pytest.mark.parametrize("term", TERMS, ids=lambda term: term.__name__)


def mirror(d, axis=0):
    t = torch.eye(d, dtype=torch.float64)
    t[axis, axis] = -1
    return t


def rotation(d):
    q = torch.linalg.qr(torch.randn(d, d, dtype=torch.float64)).Q
    return q @ mirror(d) if torch.linalg.det(q) < 0 else q


def squared_misfit_of_the_best_rotation(b, a):
    """Of points in space, by scipy's quaternions."""
    best, _ = scipy.spatial.transform.Rotation.align_vectors(a.numpy(), b.numpy())
    return norm(a - torch.from_numpy(best.apply(b.numpy()))) ** 2


@given(data=st.data())
def test_the_gap_is_what_rotations_fit_worse_than_orthogonal_matrices(data):
    n = data.draw(st.integers(3, 9))
    b, a = data.draw(matrices(n, 3)), data.draw(matrices(n, 3))
    s = torch.linalg.svdvals(b.mT @ a)
    assume(s[2] > 1e-3 * s[0])
    assume(s[1] - s[2] > 1e-3 * s[0])
    rotations = squared_misfit_of_the_best_rotation(b, a)
    # The best reflection is the mirror after the best rotation onto the mirrored target.
    reflections = squared_misfit_of_the_best_rotation(b, a @ mirror(3))
    expected = rotations - torch.minimum(rotations, reflections)
    got = 4 * norm(a) * norm(b) * orientation_gap(b, a)
    torch.testing.assert_close(got, expected, rtol=1e-6, atol=1e-6 * float(norm(a) * norm(b)))


@pytest.mark.parametrize("d", [1, 2, 3, 8])
@every_term
def test_zero_for_rotations_and_positive_for_reflections(term, d, dtype):
    b = torch.randn(2 * d + 1, d, dtype=dtype)
    t = rotation(d) if d > 1 else torch.eye(1, dtype=torch.float64)
    turned, mirrored = b @ t.to(dtype).mT, b @ (t @ mirror(d)).to(dtype).mT
    assert term(b, turned).dtype == dtype
    assert term(b, turned).abs() < 10 * torch.finfo(dtype).eps
    expected = {
        orientation_gap: torch.linalg.eigvalsh(b.mT @ b)[0] / norm(b) ** 2,
        orientation_determinant: torch.tensor(2.0, dtype=dtype),
    }
    torch.testing.assert_close(term(b, mirrored), expected[term], rtol=1e-4, atol=1e-6)


@given(data=st.data())
def test_the_determinant_term_is_a_cosine_of_minors(data):
    d = data.draw(st.integers(1, 3))
    n = data.draw(st.integers(d, 5))
    b, a = data.draw(matrices(n, d)), data.draw(matrices(n, d))
    for z in (b, a):
        s = torch.linalg.svdvals(z)
        assume(s[-1] > 1e-3 * s[0])
    subsets = torch.combinations(torch.arange(n), d)
    minors_b, minors_a = (torch.linalg.det(z[subsets]) for z in (b, a))
    cosine = minors_b @ minors_a / (minors_b.norm() * minors_a.norm())
    assume(cosine.abs() > 1e-6)
    expected = 1 - cosine.sgn() * cosine.abs() ** (1 / d)
    torch.testing.assert_close(orientation_determinant(b, a), expected, rtol=1e-6, atol=1e-6)


@every_term
@given(data=st.data())
def test_degenerate_points_have_no_orientation(term, data):
    d = data.draw(st.integers(2, 4))
    n = data.draw(st.integers(1, 3 * d))
    rank = data.draw(st.integers(0, min(n, d - 1)))
    flat = data.draw(matrices(n, max(rank, 1))) @ data.draw(matrices(max(rank, 1), d)) * (rank > 0)
    full = data.draw(matrices(n, d))
    for pair in ((flat, full), (full, flat), (flat, flat @ mirror(d))):
        b, a = (z.clone().requires_grad_() for z in pair)
        value = term(b, a)
        assert value == 0
        for gradient in torch.autograd.grad(value, (b, a)):
            assert torch.equal(gradient, torch.zeros_like(gradient))


@every_term
@given(data=st.data())
def test_gradients_are_finite(term, data):
    d = data.draw(st.integers(1, 4))
    b, a = (data.draw(matrices(2 * d, d)).float().requires_grad_() for _ in range(2))
    for gradient in torch.autograd.grad(term(b, a), (b, a)):
        assert gradient.isfinite().all()


def test_a_singular_cross_moment_of_full_clouds():
    b = torch.tensor([[1.0, 0], [0, 1], [0, 0], [0, 0]], requires_grad=True)
    a = torch.tensor([[0.0, 0], [0, 0], [1, 0], [0, 1]], requires_grad=True)
    assert orientation_gap(b, a) == 0
    value = orientation_determinant(b, a)
    assert value == 1
    assert all((g == 0).all() for g in torch.autograd.grad(value, (b, a)))


@pytest.mark.parametrize("reflected", [False, True])
@every_term
def test_gradcheck(term, reflected):
    b = torch.randn(2, 7, 3, dtype=torch.float64, requires_grad=True)
    noise = 0.1 * torch.randn(2, 7, 3, dtype=torch.float64)
    t = rotation(3) @ mirror(3) if reflected else rotation(3)
    a = (b.detach() @ t.mT + noise).requires_grad_()
    assert term(b, a).min() > 0 or not reflected
    assert torch.autograd.gradcheck(term, (b, a))


@every_term
def test_chunks_are_independent_and_strides_do_not_matter(term, dtype):
    z1, z2 = torch.randn(2, 12, 3, dtype=dtype)
    parts = torch.stack([term(a, b) for a, b in zip(z1.chunk(3), z2.chunk(3), strict=True)])
    assert parts.max() - parts.min() > 1e-3
    for reduction, expected in (("none", parts), ("mean", parts.mean()), ("sum", parts.sum())):
        loss = OrientationLoss(term, num_chunks=3, reduction=reduction)
        torch.testing.assert_close(loss(z1, z2), expected)
    strided = z1.mT.contiguous().mT
    torch.testing.assert_close(OrientationLoss(term)(strided, z2), term(z1, z2))


@every_term
def test_half_precision_is_upcast(term):
    z1, z2 = torch.randn(2, 9, 3).to(torch.bfloat16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(term(z1, z2), term(z1.float(), z2.float()))


def test_option_of_the_pairwise_loss():
    z1 = torch.randn(12, 3, dtype=torch.float64)
    z2 = z1 @ mirror(3) + 0.1 * torch.randn(12, 3, dtype=torch.float64)
    plain = pairwise_equivariance(z1, z2, num_chunks=3, reduction="none")
    gap = OrientationLoss(num_chunks=3, reduction="none")(z1, z2)
    assert (gap > 0).all()
    loss = PairwiseEquivarianceLoss(num_chunks=3, reduction="none", orientation=0.7)
    torch.testing.assert_close(loss(z1, z2), plain + 0.7 * gap)
    assert torch.equal(
        pickle.loads(pickle.dumps(OrientationLoss(num_chunks=3, reduction="none")))(z1, z2), gap
    )


@pytest.mark.parametrize("d", [2, 3, 8])
def test_weight_one_lets_unit_embeddings_flatten_out_of_a_mirror_image(d):
    b = torch.nn.functional.normalize(torch.randn(40, 3 * d, d, dtype=torch.float64), dim=-1)
    b[0] = torch.eye(d).repeat(3, 1)  # isotropic, where flattening costs most
    smallest = torch.linalg.eigh(b.mT @ b).eigenvectors[..., 0]

    def along(s):
        """A keeps a fraction s of its coordinates on the axis, with the sign of a mirror."""
        a = b - (1 + s) * (b @ smallest[..., None]) * smallest[:, None]
        return pairwise_equivariance(b, a, reduction="none", orientation=1.0)

    path = torch.stack([along(s) for s in torch.linspace(1, 0, 50, dtype=torch.float64)])
    assert (path.diff(dim=0) < 0).all()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda z: pairwise_equivariance(z, z, orientation=-1.0), ValueError, "orientation"),
        (
            lambda z: pairwise_equivariance(z, z, MinkowskiForm(), orientation=1.0),
            ValueError,
            "EuclideanForm",
        ),
        (lambda z: orientation_gap(z, z[:2]), ValueError, "one non-empty shape"),
        (lambda z: orientation_gap(z + 0j, z + 0j), TypeError, "real"),
        (lambda z: orientation_determinant(z + 0j, z + 0j), TypeError, "real"),
        (lambda z: OrientationLoss(num_chunks=3)(z, z), ValueError, "num_chunks=3"),
        (lambda z: OrientationLoss(reduction="max")(z, z), ValueError, "reduction"),
    ],
)
def test_errors_name_the_argument(call, error, message):
    with pytest.raises(error, match=message):
        call(torch.ones(4, 3))
