"""The laws of BilinearForm, for every form, and each form's J against one written out by hand."""

import inspect
from functools import partial

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given
from torch.testing import assert_close

import equiform
from equiform import (
    BilinearForm,
    EuclideanForm,
    HermitianForm,
    IndefiniteForm,
    Joint,
    MinkowskiForm,
    OrthogonalSum,
    SplitForm,
    SymplecticForm,
)
from equiform.testing import matrices
from tests.cases import FORMS, JOINTS

standard_form = pytest.mark.parametrize(
    "case", [case for case in FORMS if case.form.frame(case.dim) is None], ids=lambda case: case.id
)
every_form = pytest.mark.parametrize("case", FORMS, ids=lambda case: case.id)


def double(form, tensor):
    return tensor.to(torch.complex128 if form.sesquilinear else torch.float64)


def test_every_exported_form_has_a_case():
    exported = {
        value
        for value in vars(equiform).values()
        if inspect.isclass(value) and issubclass(value, BilinearForm) and value is not BilinearForm
    }
    assert {type(case.form) for case in FORMS} >= exported
    assert {type(case.form) for case in JOINTS} == {Joint}


@every_form
def test_matrix_is_the_one_written_by_hand(case):
    j = case.form.matrix(case.dim, dtype=case.j.dtype)
    # From its eigenvectors a matrix comes back up to rounding, a permutation exactly.
    rounding = 0 if case.condition == 1 else 1e-15 * case.dim
    assert torch.linalg.matrix_norm(j - case.j) <= rounding * torch.linalg.matrix_norm(case.j)


@every_form
def test_signature_counts_the_eigenvalues(case):
    values = torch.linalg.eigvalsh(case.j if case.form.symmetry == 1 else 1j * case.j)
    assert case.form.signature(case.dim) == (int((values > 0).sum()), int((values < 0).sum()))


@every_form
def test_coordinates_make_the_form_standard(case):
    form, d = case.form, case.dim
    c = form.coordinates(torch.eye(d, dtype=case.j.dtype))
    standard = form.standard()
    j = standard.matrix(d, dtype=case.j.dtype)
    assert standard.frame(d) is None
    assert standard.signature(d) == form.signature(d)
    error = torch.linalg.matrix_norm(c @ j @ c.mH - case.j)
    assert error <= 1e-15 * d * torch.linalg.matrix_norm(case.j)


@standard_form
def test_eigenvectors_are_orthonormal(case):
    j = case.j if case.form.symmetry == 1 else 1j * case.j
    spaces = case.form.eigenvectors(case.dim)
    for value, space in spaces.items():
        work = torch.promote_types(space.dtype, j.dtype)
        torch.testing.assert_close(j.to(work) @ space.to(work), value * space.to(work))
    basis = torch.cat(list(spaces.values()), dim=1)
    torch.testing.assert_close(basis.mH @ basis, torch.eye(case.dim, dtype=basis.dtype))


@standard_form
def test_matrix_is_a_signed_permutation_with_square_epsilon(case):
    j = case.form.matrix(case.dim)
    eye = torch.eye(case.dim, dtype=j.dtype)
    assert torch.equal(j @ j, case.form.symmetry * eye)
    assert torch.equal(j @ j.mT, eye)


@every_form
@given(data=st.data())
def test_apply_inner_and_gram_agree_with_the_matrix(case, data):
    form, d = case.form, case.dim
    x = data.draw(matrices(3, d, sesquilinear=form.sesquilinear))
    y = data.draw(matrices(2, d, sesquilinear=form.sesquilinear))
    j = case.j
    # Entries are up to 4: sums of d² products, of which J's are up to its condition number.
    close = partial(assert_close, rtol=1e-12, atol=1e-14 * case.condition * 16 * d**2)
    close(form.apply(x), x @ j)
    oracle = x @ j @ y.mH
    close(form.gram(x, y), oracle)
    close(form.gram(x), x @ j @ x.mH)
    close(form.inner(x[:2], y), oracle[:2].diagonal())


@every_form
@given(data=st.data())
def test_laws_of_the_base_class(case, data):
    form, d = case.form, case.dim
    x, y, z = (data.draw(matrices(1, d, sesquilinear=form.sesquilinear))[0] for _ in range(3))
    t = data.draw(matrices(d, d, sesquilinear=form.sesquilinear))
    c = 0.75 - 0.5j if form.sesquilinear else 0.75
    sigma = torch.conj if form.sesquilinear else torch.clone
    # As above, of products of four; an adjoint has J and its inverse.
    close = partial(assert_close, rtol=1e-12, atol=1e-14 * case.condition**1.5 * 256 * d**3)
    close(form.inner(c * x + y, z), c * form.inner(x, z) + form.inner(y, z))
    close(
        form.inner(z, c * x + y),
        sigma(torch.as_tensor(c, dtype=x.dtype)) * form.inner(z, x) + form.inner(z, y),
    )
    close(form.inner(y, x), form.symmetry * sigma(form.inner(x, y)))
    close(form.inner(x @ t.mT, y), form.inner(x, y @ form.adjoint(t).mT))
    # Of complex S it acts on columns by the conjugate.
    close(form.adjoint(t), torch.linalg.inv(case.j.conj()) @ t.mH @ case.j.conj())


@standard_form
def test_apply_is_linear_in_the_dimension_not_quadratic(case):
    # J is never built: apply on a batch makes nothing larger than its input.
    form, d = case.form, case.dim
    with torch.profiler.profile(profile_memory=True) as profile:
        form.apply(double(form, torch.ones(2, d)))
    assert not [event for event in profile.events() if event.name in {"aten::mm", "aten::matmul"}]


@every_form
def test_batches_broadcast_and_strides_do_not_matter(case):
    form, d = case.form, case.dim
    dtype = torch.complex64 if form.sesquilinear else torch.float32
    x = torch.randn(2, 3, 5, d, dtype=dtype)
    strided = x.mT.contiguous().mT
    rounding = torch.finfo(dtype).eps * d * torch.linalg.matrix_norm(case.j, 2)
    atol = 4 * float(rounding * x.abs().square().sum(-1).max())
    close = partial(assert_close, rtol=1e-5, atol=atol)
    close(form.gram(strided), form.gram(x))
    close(form.gram(x)[1, 2], form.gram(x[1, 2]))
    first = x[:, :, :1]
    close(form.inner(first, x), form.inner(first.expand_as(x), x))
    close(form.inner(first, x), form.gram(first, x).squeeze(-2))


@pytest.mark.parametrize("case", JOINTS, ids=lambda case: case.id)
@given(data=st.data())
def test_joint_stacks_its_members(case, data):
    x, y = (data.draw(matrices(3, case.dim, sesquilinear=case.form.sesquilinear)) for _ in range(2))
    for k, (form, s) in enumerate(case.form.members):
        assert torch.equal(case.form.gram(x, y)[k], form.gram(x[:, s], y[:, s]))
        assert torch.equal(case.form.inner(x, y)[:, k], form.inner(x[:, s], y[:, s]))


def test_forms_are_values():
    assert MinkowskiForm() == MinkowskiForm()
    assert MinkowskiForm() != EuclideanForm()
    assert len({IndefiniteForm(1, 2), IndefiniteForm(1, 2), IndefiniteForm(2, 1)}) == 2
    sums = [OrthogonalSum([(EuclideanForm(), 2)]), OrthogonalSum([(EuclideanForm(), 3)])]
    assert sums[0] != sums[1]
    joint = Joint([(EuclideanForm(), slice(2))])
    assert joint == Joint([(EuclideanForm(), slice(0, 2))])
    assert len({joint, Joint([(EuclideanForm(), slice(0, 2))])}) == 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: SymplecticForm().matrix(7), "even dimension, got d=7"),
        (lambda: MinkowskiForm().apply(torch.ones(3, 1)), "got d=1"),
        (lambda: IndefiniteForm(2, 2).apply(torch.ones(3)), "got d=3"),
        (lambda: IndefiniteForm(-1, 2), "p=-1"),
        (lambda: EuclideanForm().inner(torch.ones(3), torch.ones(2)), "one dimension"),
        (lambda: EuclideanForm().check_embedding(torch.tensor(1.0)), "scalar"),
        (lambda: OrthogonalSum([]), "at least one"),
        (lambda: OrthogonalSum([(EuclideanForm(), 2), (SymplecticForm(), 2)]), "one kind"),
        (lambda: OrthogonalSum([(EuclideanForm(), 2)]).apply(torch.ones(3)), "got d=3"),
        (lambda: Joint([(EuclideanForm(), slice(1, 3))]), "gap"),
        (
            lambda: Joint([(EuclideanForm(), slice(0, 3)), (EuclideanForm(), slice(2, 4))]),
            "overlap",
        ),
        (lambda: Joint([(EuclideanForm(), slice(3, 1))]), "start < stop"),
        (lambda: Joint([(SymplecticForm(), slice(0, 3))]), "even"),
        (
            lambda: Joint([(EuclideanForm(), slice(2)), (HermitianForm(), slice(2))]),
            "all bilinear or all sesquilinear",
        ),
    ],
)
def test_value_errors_name_the_argument(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("form", [EuclideanForm(), MinkowskiForm(), SplitForm()], ids=repr)
def test_dimensions_are_integers(form):
    for d in (2.0, "2", None, torch.tensor(2), True):
        for use in (form.matrix, form.isometry_group):
            with pytest.raises(TypeError, match="d must be an int"):
                use(d)


@pytest.mark.parametrize("form", [EuclideanForm(), MinkowskiForm(), JOINTS[0].form], ids=repr)
def test_shapes_that_do_not_pair_are_refused(form):
    d = 4
    x = torch.randn(5, d)
    for use, a, b in (
        (form.gram, x[0], x),
        (form.gram, x, x[0]),
        (form.gram, x.expand(2, 5, d), x.expand(3, 5, d)),
        (form.inner, x, x[:4]),
    ):
        with pytest.raises(ValueError, match=r"got shapes \("):
            use(a, b)
    assert form.gram(x, x.double()).dtype == torch.float64
    assert form.gram(x[None], x.expand(3, 5, d)).shape[-3:][0] in (3, 2)


def test_members_of_a_joint_form_are_forms_on_slices():
    for bad in ([(EuclideanForm(), 2)], [(EuclideanForm, slice(0, 2))], [(None, slice(0, 2))]):
        with pytest.raises(TypeError, match=r"Joint needs \(form, slice\) members"):
            Joint(bad)
    with pytest.raises(ValueError, match="at least one"):
        Joint([])


def test_dtypes_that_a_form_cannot_take_are_type_errors():
    with pytest.raises(TypeError, match="HermitianForm"):
        EuclideanForm().gram(torch.ones(2, 2, dtype=torch.complex64))
    with pytest.raises(TypeError, match="complex"):
        HermitianForm().gram(torch.ones(2, 2))
    with pytest.raises(TypeError, match="real floating-point"):
        MinkowskiForm().gram(torch.ones(2, 2, dtype=torch.int64))
