"""The composition defect: exact representations, numpy's value, frames, and the null."""

import numpy as np
import pytest
import torch

from equiform import (
    EuclideanForm,
    HermitianForm,
    Hyperboloid,
    IndefiniteForm,
    Joint,
    MinkowskiForm,
    SpecialOrthogonal,
    SymplecticForm,
    functional,
)
from equiform.metrics import CollapseWarning, CompositionDefect, TrivialFitWarning
from tests.metrics.clouds import unit

_R4 = slice(0, 4)
COMPACT = [
    EuclideanForm().isometry_group(4),
    SpecialOrthogonal(4),
    HermitianForm().isometry_group(3),
    Joint([(EuclideanForm(), _R4), (SymplecticForm(), _R4)]).isometry_group(4),
]
NONCOMPACT = [
    MinkowskiForm().isometry_group(4),
    IndefiniteForm(2, 3).isometry_group(5),
    SymplecticForm().isometry_group(4),
]
every_group = pytest.mark.parametrize("group", COMPACT + NONCOMPACT, ids=repr)


def double(group):
    return torch.complex128 if group.form.sesquilinear else torch.float64


def compose(points, t, second):
    """Embeddings of x, a x, a' x and a' a x under an exact representation."""
    return points, points @ t.mT, points @ second.mT, points @ (second @ t).mT


def defect(group, *sets, **options):
    metric = CompositionDefect(group, **options)
    metric.update(*sets)
    return metric.compute()


@every_group
def test_an_exact_representation_has_no_defect(group):
    b = torch.randn(30, group.dim, dtype=double(group))
    sets = compose(b, *group.sample(2, dtype=b.dtype))
    assert defect(group, *sets) <= 1e-12
    # The order matters: T_a T_a' is another element.
    source, first, second, both = sets
    assert defect(group, source, second, first, both) > 0.1


@pytest.mark.parametrize("group", COMPACT, ids=repr)
def test_the_defect_is_numpys(group):
    b, *others = torch.randn(4, 31, group.dim, dtype=double(group))
    t, second, both = (group.recover(b[::2], x[::2]).matrix.numpy() for x in others)
    f = b[1::2].numpy()
    expected = np.linalg.norm(f @ (second @ t - both).T) / np.linalg.norm(f)
    assert float(defect(group, b, *others)) == pytest.approx(expected, rel=1e-6)
    assert float(functional.composition_defect(b, *others, group)) == pytest.approx(expected)
    noisy = [x + 0.1 * torch.randn_like(x) for x in compose(b, *group.sample(2, dtype=b.dtype))]
    assert 1e-3 < functional.composition_defect(*noisy, group) < 0.5


@pytest.mark.parametrize("group", COMPACT, ids=repr)
def test_a_representation_on_a_subspace_has_no_defect(group):
    # Two columns of an element of the group: for U(2) in O(4), a complex line of R^4.
    frame = group.sample(dtype=double(group))[:, [0, 2]]
    real = isinstance(group, SpecialOrthogonal) or isinstance(group.form, Joint)
    small = SpecialOrthogonal(2) if real else group.form.isometry_group(2)
    inside = torch.randn(40, 2, dtype=double(group))
    sets = [z @ frame.mT for z in compose(inside, *small.sample(2, dtype=inside.dtype))]
    assert defect(group, *sets) <= 1e-12
    # Held-out points have a part outside, which is as it was after each transformation: that the
    # fits say so as well follows from none of the points they saw.
    still = torch.randn(1, group.dim, dtype=double(group))
    still = still - still @ frame.conj() @ frame.mT
    moved = [z.clone() for z in sets]
    for z in moved:
        z[1::2] += still
    assert defect(group, *moved) <= 1e-12


@every_group
def test_one_isometry_of_all_embeddings_changes_nothing(group):
    b = torch.randn(60, group.dim, dtype=double(group))
    sets = compose(b, *group.sample(2, dtype=b.dtype, rapidity=0.3))
    noisy = [x + 0.05 * torch.randn_like(x) for x in sets]
    g = group.sample(dtype=b.dtype, rapidity=1.0)
    before = functional.composition_defect(*noisy, group)
    after = functional.composition_defect(*(x @ g.mT for x in noisy), group)
    assert before > 1e-3
    torch.testing.assert_close(after, before, rtol=1e-5, atol=0)


def test_on_the_hyperboloid_it_is_the_rms_of_geodesic_distances():
    manifold, group = Hyperboloid(), MinkowskiForm().isometry_group(4)
    b = manifold.project(torch.randn(60, 3, dtype=torch.float64))
    sets = compose(b, *group.sample(2, component=(1, 1), rapidity=0.5, dtype=torch.float64))
    assert defect(group, *sets, manifold=manifold) < 1e-6
    noisy = [manifold.project(manifold.logmap0(x)[:, 1:] + 0.1 * torch.randn(60, 3)) for x in sets]
    h = group.balance(noisy[0][1::2].mT @ noisy[0][1::2])
    framed = [x @ h for x in noisy]
    t, second, both = (group.recover(framed[0][::2], x[::2]).matrix.numpy() for x in framed[1:])
    x, y = (framed[0][1::2].numpy() @ m.T for m in (second @ t, both))
    distance = np.arccosh(x[:, 0] * y[:, 0] - (x * y)[:, 1:].sum(-1))
    expected = np.sqrt(np.mean(distance**2))
    assert float(defect(group, *noisy, manifold=manifold)) == pytest.approx(expected, rel=1e-5)


def test_estimate_holds_the_value_and_the_null():
    group = EuclideanForm().isometry_group(4)
    metric, values = CompositionDefect(group), []
    b = torch.randn(1000, 4, dtype=torch.float64)
    for _ in range(3):
        sets = compose(b, *group.sample(2, dtype=torch.float64))
        noisy = [x + 0.3 * torch.randn_like(x) for x in sets]
        metric.update(*noisy)
        values.append(defect(group, *noisy))
    estimate = metric.estimate()
    torch.testing.assert_close(estimate.value, torch.stack(values).mean())
    assert estimate.value == metric.compute()
    assert estimate.low < estimate.value < estimate.high
    assert estimate.high < 0.1
    # Unrelated elements of O(4): |f (T - T'')| is about the root of 2, by chance per fit.
    many = CompositionDefect(group)
    for _ in range(40):
        many.update(b, *torch.randn(3, *b.shape, dtype=b.dtype))
    estimate = many.estimate()
    assert float(estimate.value) == pytest.approx(2**0.5, abs=0.1)
    assert float(estimate.null) == pytest.approx(2**0.5, abs=0.1)


def test_errors_and_warnings():
    group = EuclideanForm().isometry_group(3)
    with pytest.raises(
        ValueError, match=r"source and first and second and both must have one shape"
    ):
        CompositionDefect(group).update(*[torch.ones(4, 3)] * 3, torch.ones(3, 3))
    with pytest.raises(ValueError, match="at least two points to hold one out, got n=1"):
        CompositionDefect(group).update(*[torch.ones(1, 3)] * 4)
    few = CompositionDefect(group)
    with pytest.warns(TrivialFitWarning, match="CompositionDefect fits 3 points in 3 dimensions"):
        few.update(*[unit(6, 3)] * 4)
    collapsed = CompositionDefect(group)
    collapsed.update(*[unit(1, 3).expand(9, 3)] * 4)
    for report in (collapsed.compute, collapsed.estimate):
        with pytest.warns(CollapseWarning, match="CompositionDefect"):
            report()
