"""All is computed in double precision, whatever comes in and whatever autocast is on."""

import pytest
import torch

from equiform import EuclideanForm, HermitianForm
from tests.groups._cases import data, each_group

every_group = each_group()


def halves(group):
    return [torch.complex32] if group.form.sesquilinear else [torch.float16, torch.bfloat16]


@every_group
@pytest.mark.filterwarnings("ignore:ComplexHalf support is experimental")
def test_half_precision_gives_isometries_in_single_precision(group):
    given = data(group)
    single = torch.complex64 if group.form.sesquilinear else torch.float32
    for half in halves(group):
        xi, double = given.algebra.to(half), given.algebra.dtype
        t = group.exp(xi)
        assert t.dtype == single
        assert group.contains(t).all()
        torch.testing.assert_close(t, group.exp(xi.to(double)).to(single))
        b, a = given.source.to(half), given.exact.to(half)
        fit, same = group.recover(b, a), group.recover(b.to(double), a.to(double))
        assert fit.matrix.dtype == single
        assert fit.residual.dtype == torch.float32
        assert group.contains(fit.matrix).all()
        if group.condition == 1:
            torch.testing.assert_close(fit.residual.double(), same.residual, rtol=1e-3, atol=1e-3)
        near = given.elements.to(half)
        assert group.residual(near).dtype == torch.float64
        assert group.project_algebra(near).dtype == group.balance(near).dtype == single


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
def test_polar_factors_of_half_precision(half):
    group = EuclideanForm().isometry_group(4)
    m = torch.randn(5, 4, 4).to(half)
    t = group.polar(m)
    assert t.dtype == torch.float32
    u, _, vh = torch.linalg.svd(m.double())
    torch.testing.assert_close(t.double(), u @ vh, rtol=0, atol=1e-6)


@every_group
def test_autocast_changes_neither_value_nor_dtype(group):
    given = data(group)
    dtype = torch.complex64 if group.form.sesquilinear else torch.float32
    t, xi, b, a = (x.to(dtype) for x in given[:4])
    second_moment = t.mH @ t

    def results():
        draw = torch.Generator().manual_seed(0)
        matrices = [getattr(group, n)(t) for n in ("polar", "component", "residual", "contains")]
        algebra = [group.exp(xi), group.project_algebra(t), group.balance(second_moment)]
        fits = [*group.recover(b, a, anchor=0.1), group.extend(b, b)]
        return *matrices, *algebra, *fits, group.sample(2, generator=draw, dtype=dtype)

    plain = results()
    with torch.autocast("cpu", torch.bfloat16):
        under = results()
    for x, y in zip(plain, under, strict=True):
        assert x.dtype == y.dtype
        torch.testing.assert_close(x, y, rtol=1e-5, atol=1e-6)


def test_an_exact_fit_has_no_residual_under_autocast():
    group = EuclideanForm().isometry_group(8)
    b = torch.randn(50, 8)
    with torch.autocast("cpu", torch.bfloat16):
        a = b.double() @ group.sample(dtype=torch.float64).mT
        assert group.recover(b, a.float()).residual < 1e-6


@pytest.mark.parametrize(
    "group",
    [EuclideanForm().isometry_group(5), HermitianForm().isometry_group(4)],
    ids=repr,
)
@pytest.mark.parametrize("scale", [1.0, 20.0, 300.0])
def test_exponentials_of_large_elements_are_members(group, scale):
    dtype = torch.complex128 if group.form.sesquilinear else torch.float64
    xi = group.project_algebra(scale * torch.randn(500, group.dim, group.dim, dtype=dtype))
    assert group.contains(group.exp(xi)).all()
    assert group.contains(group.exp(xi.to(torch.promote_types(torch.float32, dtype)))).all()


@pytest.mark.parametrize("form", [EuclideanForm(), HermitianForm()], ids=repr)
@pytest.mark.parametrize("d", [2, 3, 5, 6])
def test_exponentials_agree_with_those_of_eigenvalues(form, d):
    group = form.isometry_group(d)
    dtype = torch.complex128 if form.sesquilinear else torch.float64
    for size in (0.1, 1.0, 10.0, 1e4):
        xi = group.project_algebra(size * torch.randn(20, d, d, dtype=dtype))
        values, vectors = torch.linalg.eigh(1j * xi)
        expected = (vectors * torch.exp(-1j * values)[..., None, :]) @ vectors.mH
        # The angles, of up to d times the size, are known up to their own rounding.
        tolerance = 100 * d * max(size, 1) * torch.finfo(torch.float64).eps
        torch.testing.assert_close(group.exp(xi) + 0j, expected, rtol=0, atol=tolerance)
