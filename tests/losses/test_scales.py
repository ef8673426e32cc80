"""Scales of the pairwise loss: relative, centred, with a link; and what CARE's default is."""

import warnings

import pytest
import torch

from equiform import (
    CARELoss,
    EuclideanForm,
    Hyperboloid,
    InvarianceLoss,
    Joint,
    MinkowskiForm,
    MomentumContrastLoss,
    Orthochronous,
    PairwiseEquivarianceLoss,
    Sphere,
    SymplecticForm,
)
from equiform.functional import info_nce, momentum_contrast, pairwise_equivariance
from tests.cases import FORMS, JOINTS

every_form = pytest.mark.parametrize("case", FORMS + JOINTS, ids=lambda case: case.id)
BACKENDS = ["auto", "gram", "moments", "reference"]


def views(case, n=9, c=2):
    dtype = torch.complex128 if case.form.sesquilinear else torch.float64
    return torch.randn(2, c, n, case.dim, dtype=dtype)


def grams(form, z):
    """Of each member of a form, from its matrix."""
    for member, s in form.parts(z.shape[-1]):
        j = member.matrix(s.stop - s.start, dtype=z.dtype)
        yield z[..., s] @ j @ z[..., s].mH


@every_form
@pytest.mark.parametrize("backend", BACKENDS)
def test_relative_is_the_change_over_the_size_of_both_grams(case, backend):
    z1, z2 = views(case)
    pairs = list(zip(grams(case.form, z1), grams(case.form, z2), strict=True))
    change = sum((g1 - g2).abs().square().sum((-2, -1)) for g1, g2 in pairs)
    size = sum(g.abs().square().sum((-2, -1)) for pair in pairs for g in pair)
    loss = PairwiseEquivarianceLoss(
        case.form, normalization="relative", reduction="none", backend=backend
    )
    torch.testing.assert_close(loss(z1, z2), change / size, rtol=1e-9, atol=1e-12)
    # No scale is a way out, and it lies in [0, 2].
    torch.testing.assert_close(loss(0.01 * z1, 0.01 * z2), change / size, rtol=1e-7, atol=1e-12)
    assert (loss(z1, z2) <= 2).all()


@every_form
@pytest.mark.parametrize("options", [{"normalization": "relative"}, {"center": True}], ids=str)
def test_gradcheck_twice(case, options):
    z1, z2 = (z.requires_grad_() for z in views(case, n=4, c=1))
    size = float(case.form.coordinates(z1.detach()).abs().max()) ** 2

    def loss(a, b):
        return pairwise_equivariance(a, b, case.form, **options) / size**2

    if "normalization" in options:
        size = 1.0
    assert torch.autograd.gradcheck(loss, (z1, z2), fast_mode=True)
    assert torch.autograd.gradgradcheck(loss, (z1, z2), fast_mode=True)


def test_zero_embeddings_are_finite():
    z = torch.zeros(5, 4, requires_grad=True)
    loss = PairwiseEquivarianceLoss(SymplecticForm(), normalization="relative")(z, z)
    (gradient,) = torch.autograd.grad(loss, z)
    assert loss == 0
    assert torch.equal(gradient, torch.zeros_like(z))


@pytest.mark.parametrize("scale", [1e-20, 1e-9, 1e9, 1e20])
@pytest.mark.parametrize("form", [EuclideanForm(), SymplecticForm()], ids=str)
def test_relative_has_no_scale_in_single_precision(form, scale):
    z1, z2 = torch.randn(2, 6, 4)
    exact, scaled = (
        pairwise_equivariance(z1 * s, z2 * s, form, normalization="relative") for s in (1, scale)
    )
    torch.testing.assert_close(scaled, exact)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_relative_is_zero_on_an_isotropic_subspace(dtype):
    # Two Lagrangian planes whose products are rounding: 1/3 is no float.
    form, group = SymplecticForm(), SymplecticForm().isometry_group(4)
    flat = torch.cat([torch.randn(2, 9, 2, dtype=dtype) / 3, torch.zeros(2, 9, 2)], dim=-1)
    z1, z2 = (flat.double() @ group.sample(2, dtype=torch.float64).mT).to(dtype)
    z1.requires_grad_()
    loss = pairwise_equivariance(z1, z2, form, normalization="relative")
    (gradient,) = torch.autograd.grad(loss, z1)
    assert loss == 0
    assert not gradient.any()
    # And nothing else is zero: neither NaN, nor one product that is no rounding.
    assert pairwise_equivariance(z1 * torch.nan, z2, form, normalization="relative").isnan()
    z2[0, 2] += 1e-3
    assert pairwise_equivariance(z1, z2, form, normalization="relative") > 0.1


@every_form
@pytest.mark.parametrize("backend", BACKENDS)
def test_center_takes_translations_out(case, backend):
    z1, z2 = views(case)
    loss = PairwiseEquivarianceLoss(case.form, center=True, reduction="none", backend=backend)
    expected = PairwiseEquivarianceLoss(case.form, reduction="none")(
        z1 - z1.mean(1, keepdim=True), z2 - z2.mean(1, keepdim=True)
    )
    torch.testing.assert_close(loss(z1, z2), expected, rtol=1e-9, atol=1e-9)
    moved = z2 + torch.randn(2, 1, case.dim, dtype=z2.dtype)
    torch.testing.assert_close(loss(z1, moved), expected, rtol=1e-9, atol=1e-9)


def test_an_affine_symplectic_map_is_found_when_centred():
    group = SymplecticForm().isometry_group(4)
    t = group.sample(rapidity=1.0, dtype=torch.float64)
    b = torch.randn(30, 4, dtype=torch.float64) + 3
    a = b @ t.mT + torch.randn(4, dtype=torch.float64)
    raw, centred = (
        PairwiseEquivarianceLoss(SymplecticForm(), center=center)(b, a) for center in (False, True)
    )
    assert raw > 1
    assert centred < 1e-20
    weights = torch.rand(30, dtype=torch.float64)
    for fit in (
        group.recover(b, a, center=True),
        group.recover(b, a, weights=weights, center=True),
    ):
        torch.testing.assert_close(fit.matrix, t)
        assert fit.residual < 1e-12
    assert group.recover(b, a).residual > 1e-2


def hyperbolic(manifold, n=7, c=2):
    return (manifold.project(2 * torch.randn(c, n, 3, dtype=torch.float64)) for _ in range(2))


@pytest.mark.parametrize("k", [1.0, 2.5])
@pytest.mark.parametrize("backend", ["auto", "gram", "reference"])
def test_the_log_cosh_link_compares_distances(k, backend):
    manifold = Hyperboloid(torch.tensor(k, dtype=torch.float64))
    z1, z2 = hyperbolic(manifold)
    d1, d2 = (manifold.pairwise_dist(z) / k**0.5 for z in (z1, z2))
    change = (d1.cosh().log() - d2.cosh().log()).square()
    for normalization, expected in (
        ("pairs", change.mean((-2, -1))),
        ("care", 2 * change.sum((-2, -1)) / 7),
    ):
        loss = PairwiseEquivarianceLoss(
            manifold=manifold,
            link="log_cosh",
            normalization=normalization,
            reduction="none",
            backend=backend,
        )
        torch.testing.assert_close(loss(z1, z2), expected, rtol=1e-9, atol=1e-12)


def test_the_log_cosh_link_is_zero_under_boosts_and_differentiable_twice():
    manifold = Hyperboloid(torch.tensor(1.0, dtype=torch.float64))
    z1, z2 = hyperbolic(manifold, n=4)
    t = Orthochronous(4).sample(2, rapidity=1.0, dtype=torch.float64)
    loss = PairwiseEquivarianceLoss(manifold=manifold, link="log_cosh")
    assert loss(z1, z1 @ t.mT) < 1e-20
    z1.requires_grad_()
    assert torch.autograd.gradcheck(loss, (z1, z2))
    assert torch.autograd.gradgradcheck(loss, (z1, z2))
    # Coincident points have a gradient too.
    same = z1.detach()[:, :1].expand(2, 4, 4).clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(same, z2), same)
    assert gradient.isfinite().all()


def test_tiles_of_the_link_are_the_whole(monkeypatch):
    from equiform.ops.gram_difference import link

    manifold = Hyperboloid(torch.tensor(1.0, dtype=torch.float64))
    z1, z2 = (z.requires_grad_() for z in hyperbolic(manifold, n=23))
    results = []
    for tile in (2**20, 3 * 2 * 23):
        monkeypatch.setattr(link, "TILE", tile)
        loss = pairwise_equivariance(
            z1, z2, manifold=manifold, link="log_cosh", normalization="care"
        )
        first = torch.autograd.grad(loss, (z1, z2), create_graph=True)
        second = torch.autograd.grad(sum(g.square().sum() for g in first), (z1, z2))
        results.append((loss, *first, *second))
    for whole, tiled in zip(*results, strict=True):
        torch.testing.assert_close(whole, tiled)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"link": "log_cosh"}, ValueError, r"needs manifold=Hyperboloid\(\)"),
        ({"link": "log_cosh", "manifold": Sphere()}, TypeError, "log_cosh_products"),
        ({"link": "log_cosh", "manifold": Hyperboloid(), "center": True}, ValueError, "center"),
        (
            {"link": "log_cosh", "manifold": Hyperboloid(), "normalization": "relative"},
            ValueError,
            "'pairs' or 'care'",
        ),
        (
            {"link": "log_cosh", "manifold": Hyperboloid(), "backend": "moments"},
            ValueError,
            "'reference'",
        ),
    ],
)
def test_links_that_make_no_sense_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        PairwiseEquivarianceLoss(**options)


def test_cares_default_weight_is_on_the_papers_scale():
    z = [Sphere().project(torch.randn(256, 64)).requires_grad_() for _ in range(4)]
    terms = CARELoss()(*z)
    torch.testing.assert_close(
        terms.equivariance, pairwise_equivariance(z[2], z[3], normalization="care")
    )
    contrastive = torch.autograd.grad(terms.contrastive, z[0])[0].norm()
    equivariance = torch.autograd.grad(0.01 * terms.equivariance, z[2])[0].norm()
    # It shapes the embeddings, and does not rule them: on "pairs" it would be 1/512 of this.
    assert 0.02 < equivariance / contrastive < 0.5


def test_manifold_and_chunks_reach_both_terms():
    manifold = Hyperboloid()
    z = [manifold.project(torch.randn(8, 3)) for _ in range(4)]
    loss = CARELoss(manifold=manifold, num_chunks=2)
    terms = loss(*z)
    torch.testing.assert_close(terms.contrastive, info_nce(z[0], z[1], manifold=manifold))
    expected = pairwise_equivariance(
        z[2], z[3], MinkowskiForm(), num_chunks=2, normalization="care"
    )
    torch.testing.assert_close(terms.equivariance, expected)


def test_a_contrastive_term_with_a_queue_fits():
    q, k, z1, z2, queue = torch.randn(5, 6, 4)
    loss = CARELoss(MomentumContrastLoss())
    expected = momentum_contrast(query=q, key=k, queue=queue)
    torch.testing.assert_close(loss(q, k, z1, z2, queue=queue).contrastive, expected)
    torch.testing.assert_close(loss(q, k, z1, z2, queue).contrastive, expected)


def test_chunks_of_one_point_warn():
    z1, z2 = torch.randn(2, 6, 3)
    for loss in (PairwiseEquivarianceLoss(num_chunks=6), CARELoss(num_chunks=6).equivariance):
        with pytest.warns(UserWarning, match="chunks of one point"):
            loss(z1, z2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        PairwiseEquivarianceLoss(num_chunks=3)(z1, z2)


def test_invariance_on_a_manifold_is_geodesic():
    manifold = Hyperboloid(torch.tensor(1.0, dtype=torch.float64))
    z1, z2 = (z[0] for z in hyperbolic(manifold))
    t = Orthochronous(4).sample(rapidity=2.0, dtype=torch.float64)
    loss = InvarianceLoss(manifold=manifold)
    torch.testing.assert_close(loss(z1, z2), manifold.dist(z1, z2).mean())
    torch.testing.assert_close(loss(z1 @ t.mT, z2 @ t.mT), loss(z1, z2))
    assert InvarianceLoss()(z1 @ t.mT, z2 @ t.mT) > 1.5 * InvarianceLoss()(z1, z2)


def test_a_joint_form_of_two_scales_is_relative_to_both():
    form = Joint([(EuclideanForm(), slice(0, 2)), (SymplecticForm(), slice(2, 4))])
    z = torch.randn(6, 4)
    assert PairwiseEquivarianceLoss(form, normalization="relative")(z, 0 * z) == pytest.approx(1)
