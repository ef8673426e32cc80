"""What every manifold must do, in both dtypes; each law is checked through another computation."""

import pytest
import torch

from equiform.manifolds import Sphere

TOL = {torch.float32: 3e-5, torch.float64: 1e-12}


def points(manifold, dtype, rng, *batch, d=4):
    return manifold.project(torch.randn(*batch, d, dtype=dtype, generator=rng))


def tangents(manifold, x, rng):
    return manifold.proju(x, torch.randn(x.shape, dtype=x.dtype, generator=rng))


def close(a, b, dtype, scale=1.0):
    torch.testing.assert_close(a, b, rtol=TOL[dtype], atol=scale * TOL[dtype])


def test_project_reaches_the_manifold(manifold, dtype, rng):
    x = points(manifold, dtype, rng, 3, 7)
    assert x.dtype == dtype
    assert manifold.check_point_on_manifold(x)
    expected = 1.0 if isinstance(manifold, Sphere) else -manifold.k.item()
    square = manifold.form.inner(x, x)
    scale = (x * x).sum(-1)  # the rounding of x alone moves <x, x> by this times u
    assert ((square - expected).abs() <= TOL[dtype] * scale).all()


@pytest.mark.parametrize("fill", [0.0, 1e-300, 1e-40, 1e-20, 1e20])
def test_project_is_finite_at_extremes(manifold, dtype, fill):
    z = torch.full((2, 4), fill, dtype=dtype, requires_grad=True)
    x = manifold.project(z)
    assert manifold.check_point_on_manifold(x)
    x.sum().backward()
    assert z.grad.isfinite().all()


def test_points_have_the_ambient_dimension(manifold, dtype, rng):
    for d in (2, 5):
        assert points(manifold, dtype, rng, 3, d=d).shape == (3, manifold.ambient_dim(d))


def test_isometries_keep_the_manifold_and_its_distances(manifold, rng):
    x = points(manifold, torch.float64, rng, 6)
    group = manifold.isometry_group(x.shape[-1])
    assert group.form == manifold.form
    t = group.sample(20, generator=rng, dtype=torch.float64)
    assert (torch.linalg.det(t) < 0).any()  # reflections are isometries too
    moved = x @ t.mT
    assert manifold.check_point_on_manifold(moved)
    # Not through dist alone, which reads the space part only: every coordinate must be right.
    close(manifold.form.gram(moved), manifold.form.gram(x).expand(20, 6, 6), x.dtype, scale=1e3)
    close(manifold.pairwise_dist(moved), manifold.pairwise_dist(x).expand(20, 6, 6), x.dtype, 1e3)


def test_projx_is_idempotent_and_repairs(manifold, dtype, rng):
    x = points(manifold, dtype, rng, 5)
    off = x * 1.1
    assert not manifold.check_point_on_manifold(off)
    repaired = manifold.projx(off)
    assert manifold.check_point_on_manifold(repaired)
    close(manifold.projx(repaired), repaired, dtype)


def test_proju_is_the_orthogonal_projection(manifold, dtype, rng):
    x = points(manifold, dtype, rng, 5)
    v = torch.randn(x.shape, dtype=dtype, generator=rng)
    assert not manifold.check_vector_on_tangent(x, v)
    u = manifold.proju(x, v)
    assert manifold.check_vector_on_tangent(x, u)
    close(manifold.proju(x, u), u, dtype, scale=30)
    w = tangents(manifold, x, rng)
    close(manifold.form.inner(v - u, w), torch.zeros(5, dtype=dtype), dtype, scale=100)


def test_inner_is_the_form_on_tangent_vectors(manifold, dtype, rng):
    x = points(manifold, dtype, rng, 5)
    u, v = tangents(manifold, x, rng), tangents(manifold, x, rng)
    close(manifold.inner(x, u, v), manifold.form.inner(u, v), dtype, scale=100)
    close(manifold.norm(x, u) ** 2, manifold.inner(x, u), dtype)
    assert manifold.inner(x, u, keepdim=True).shape == (5, 1)
    assert manifold.norm(x, u, keepdim=True).shape == (5, 1)


def test_norm_has_gradient_zero_at_zero(manifold, dtype, rng):
    x = points(manifold, dtype, rng)
    u = torch.zeros_like(x, requires_grad=True)
    manifold.norm(x, u).backward()
    assert (u.grad == 0).all()


def test_exp_and_log_are_inverse(manifold, dtype, rng):
    x, y = points(manifold, dtype, rng, 6), points(manifold, dtype, rng, 6)
    u = manifold.logmap(x, y)
    assert manifold.check_vector_on_tangent(x, u)
    close(manifold.expmap(x, u), y, dtype, scale=10)
    close(manifold.norm(x, u), manifold.dist(x, y), dtype)
    v = 0.5 * tangents(manifold, x, rng)
    v = v / manifold.norm(x, v, keepdim=True).clamp_min(1)
    z = manifold.expmap(x, v)
    assert manifold.check_point_on_manifold(z)
    close(manifold.logmap(x, z), v, dtype, scale=30)


@pytest.mark.parametrize("size", [0.0, 1e-30, 1e-6])
def test_exp_and_log_near_zero(manifold, dtype, rng, size):
    x = points(manifold, dtype, rng, 6)
    u = tangents(manifold, x, rng) * size
    x.requires_grad_()
    u.requires_grad_()
    y = manifold.expmap(x, u)
    rounding = 100 * torch.finfo(dtype).eps  # y holds u to the rounding of x, no better
    torch.testing.assert_close(y, x + u, rtol=TOL[dtype], atol=rounding + 100 * size**2)
    back = manifold.logmap(x, y)
    torch.testing.assert_close(back, u, rtol=1e-6, atol=rounding)
    back.sum().backward()
    assert x.grad.isfinite().all()
    assert u.grad.isfinite().all()


def test_transport_is_an_isometry_of_tangent_spaces(manifold, dtype, rng):
    x, y = points(manifold, dtype, rng, 6), points(manifold, dtype, rng, 6)
    u, v = tangents(manifold, x, rng), tangents(manifold, x, rng)
    pu, pv = manifold.transp(x, y, u), manifold.transp(x, y, v)
    assert manifold.check_vector_on_tangent(y, pu, atol=1e-4)
    close(manifold.inner(y, pu, pv), manifold.inner(x, u, v), dtype, scale=10)
    close(manifold.transp(y, x, pu), u, dtype, scale=30)
    # A geodesic carries its own velocity along: log_x(y) arrives as -log_y(x).
    carried = manifold.transp(x, y, manifold.logmap(x, y))
    close(carried, -manifold.logmap(y, x), dtype, scale=10)


def test_transport_between_coincident_points_is_the_identity(manifold, dtype, rng):
    x = points(manifold, dtype, rng, 6)
    u = tangents(manifold, x, rng)
    close(manifold.transp(x, x.clone(), u), u, dtype, scale=10)


def test_retraction_agrees_with_exp_to_first_order(manifold, rng):
    x = points(manifold, torch.float64, rng, 6)
    u = tangents(manifold, x, rng)
    gaps = [
        (manifold.retr(x, t * u) - manifold.expmap(x, t * u)).abs().max().item()
        for t in (1e-2, 1e-3)
    ]
    assert gaps[1] <= gaps[0] / 50 + 1e-15  # at least quadratic
    slope = (manifold.retr(x, 1e-6 * u) - x) / 1e-6
    torch.testing.assert_close(slope, u, rtol=1e-4, atol=1e-4)


def test_distance_is_a_metric_with_safe_gradients(manifold, dtype, rng):
    x, y, z = points(manifold, dtype, rng, 3, 20)
    d = manifold.dist(x, y)
    assert torch.equal(d, manifold.dist(y, x))  # differences change their signs and no bit more
    assert (d <= manifold.dist(x, z) + manifold.dist(z, y) + TOL[dtype]).all()
    assert manifold.dist(x, y, keepdim=True).shape == (20, 1)
    a, b = x.clone().requires_grad_(), x.clone().requires_grad_()
    same = manifold.dist(a, b)
    assert (same == 0).all()
    same.sum().backward()
    assert (a.grad == 0).all()
    assert (b.grad == 0).all()


def test_pairwise_dist_is_dist_of_all_pairs(manifold, dtype, rng):
    # 30 rows: beyond 25 the default of cdist would go through the inner product.
    x, y = points(manifold, dtype, rng, 2, 30), points(manifold, dtype, rng, 2, 3)
    a, b = x.clone().requires_grad_(), x.clone().requires_grad_()
    d = manifold.pairwise_dist(a, y)
    assert d.shape == (2, 30, 3)
    expected = manifold.dist(b[:, :, None], y[:, None])
    close(d, expected, dtype)
    weight = torch.randn(d.shape, dtype=dtype, generator=rng)
    (d * weight).sum().backward()
    (expected * weight).sum().backward()
    close(manifold.egrad2rgrad(x, a.grad), manifold.egrad2rgrad(x, b.grad), dtype, scale=10)


def test_pairwise_dist_to_itself_is_zero_on_the_diagonal(manifold, dtype, rng):
    x = points(manifold, dtype, rng, 30).requires_grad_()
    d = manifold.pairwise_dist(x)
    assert (d.diagonal() == 0).all()
    d.diagonal().sum().backward()
    assert (x.grad == 0).all()


def test_similarity_ranks_as_distance(manifold, dtype, rng):
    x, y = points(manifold, dtype, rng, 1), points(manifold, dtype, rng, 40)
    order = manifold.similarity(x, y)[0].argsort(descending=True)
    d = manifold.pairwise_dist(x, y)[0]
    close(d[order], d.sort().values, dtype)
    assert manifold.similarity(y).shape == (40, 40)
    assert (manifold.similarity(y).argmax(-1) == torch.arange(40)).all()


def test_gradients_match_float64(manifold, rng):
    x, y = points(manifold, torch.float32, rng, 2, 9)
    u = tangents(manifold, x, rng)
    for fn in (
        lambda x, y, u: manifold.dist(x, y),
        lambda x, y, u: manifold.expmap(x, u),
        lambda x, y, u: manifold.logmap(x, y),
        lambda x, y, u: manifold.transp(x, y, u),
        lambda x, y, u: manifold.inner(x, u),
    ):
        narrow = [t.clone().requires_grad_() for t in (x, y, u)]
        wide = [t.double().requires_grad_() for t in (x, y, u)]
        for args in (narrow, wide):
            fn(*args).square().sum().backward()
        for a, b in zip(narrow, wide, strict=True):
            if b.grad is not None:
                scale = b.grad.abs().max().item() + 1
                close(a.grad.double(), b.grad, torch.float32, scale=scale)


def test_gradcheck(manifold, rng):
    x, y = points(manifold, torch.float64, rng, 2, 3)
    u = tangents(manifold, x, rng)
    for t in (x, y, u):
        t.requires_grad_()
    for fn, args in (
        (manifold.dist, (x, y)),
        (manifold.expmap, (x, u)),
        (manifold.logmap, (x, y)),
        (manifold.transp, (x, y, u)),
        (manifold.projx, (x,)),
    ):
        assert torch.autograd.gradcheck(fn, args)
    assert torch.autograd.gradgradcheck(manifold.dist, (x, y))
    assert torch.autograd.gradcheck(manifold.pairwise_dist, (x, y))
    z = torch.randn(3, 4, dtype=torch.float64, generator=rng, requires_grad=True)
    assert torch.autograd.gradcheck(manifold.project, (z,))


def test_one_point_and_batches_broadcast(manifold, dtype, rng):
    x, y = points(manifold, dtype, rng), points(manifold, dtype, rng, 3, 2)
    assert manifold.dist(x, y).shape == (3, 2)
    close(manifold.dist(x, y)[1, 1], manifold.dist(x, y[1, 1]), dtype)
    assert manifold.pairwise_dist(x[None]).shape == (1, 1)
    close(manifold.expmap(x, manifold.logmap(x, y)), y, dtype, scale=10)
