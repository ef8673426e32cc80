"""The alarm of a collapse is that of the form, as in the metrics."""

import pytest
import torch

from equiform import (
    EuclideanForm,
    Hyperboloid,
    Joint,
    MetricForm,
    Orthochronous,
    SymplecticForm,
)
from equiform.audit import report
from equiform.metrics import CollapseWarning, WahbaError
from tests.audit.cases import D, encoder, points, turn


def test_a_collapse_is_that_of_the_form():
    # Far out almost one direction of space, and no two points near each other.
    group, lift = Orthochronous(D + 1), Hyperboloid().project
    boost = group.sample(rapidity=4.0, dtype=torch.float64).mT
    far = report(lambda x: lift(encoder(x)) @ boost, points(), {"turn": turn}, group=group)
    assert far.effective_rank < 1.5
    assert far.warnings == ()
    near = report(lambda x: encoder(x) / 1e3, points(), {"turn": turn}, manifold=Hyperboloid())
    assert any("products under MinkowskiForm(), have collapsed" in text for text in near.warnings)
    # Spread over half of the space, on which all products vanish.
    plane = torch.diag(torch.tensor([1.0] * 3 + [0] * 3)).double()
    flat = report(lambda x: encoder(x) @ plane, points(), {"turn": turn}, form=SymplecticForm())
    assert flat.effective_rank > 2
    assert any("products under SymplecticForm(), have" in text for text in flat.warnings)


def test_members_that_see_one_point_each_are_a_collapse():
    joint = Joint([(EuclideanForm(), slice(0, 3)), (EuclideanForm(), slice(3, D))])
    close = report(lambda x: 1 + 1e-3 * encoder(x), points(), {"turn": turn}, form=joint)
    assert any("have collapsed" in text for text in close.warnings)
    metric = WahbaError(form=joint)
    metric.update(1 + 1e-3 * encoder(points()), 1 + 1e-3 * encoder(turn(points())))
    with pytest.warns(CollapseWarning):
        metric.compute()


def test_a_basis_that_stretches_the_points_is_no_collapse():
    s = torch.diag(torch.tensor([1e-4, 1, 1, -1, -1, -1])).double()
    form = MetricForm(s)
    back = torch.linalg.inv(form.frame(D))
    result = report(lambda x: encoder(x) @ back, points(), {"turn": turn}, form=form)
    assert result.effective_rank > 5
    assert result.warnings == ()
