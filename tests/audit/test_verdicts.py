"""The words of a report: verdicts, names of groups, angles."""

import math

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given

from equiform import (
    EuclideanForm,
    HermitianForm,
    MinkowskiForm,
    Orthochronous,
    SpecialOrthogonal,
    SymplecticForm,
)
from equiform.audit import Verdict
from equiform.audit.components import angles_of, group_name
from equiform.audit.verdicts import IGNORED, REPRESENTED, SCRAMBLED, judge


@pytest.mark.parametrize(
    ("group", "name"),
    [
        (EuclideanForm().isometry_group(3), "O(3)"),
        (SpecialOrthogonal(3), "SO(3)"),
        (HermitianForm().isometry_group(3), "U(3)"),
        (SymplecticForm().isometry_group(4), "Sp(4)"),
        (MinkowskiForm().isometry_group(4), "O(1, 3)"),
        (Orthochronous(4), "O⁺(1, 3)"),
    ],
)
def test_groups_have_their_usual_names(group, name):
    assert group_name(group) == name


@given(angle=st.floats(0, 180))
def test_angles_of_a_rotation(angle):
    c, s = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    rotation = torch.tensor([[c, -s, 0], [s, c, 0], [0, 0, -1]], dtype=torch.float64)
    found = angles_of(rotation)
    assert sorted(map(abs, found)) == pytest.approx(sorted([angle, angle, 180]), abs=1e-6)
    assert found == tuple(sorted(found))


@given(st.floats(0, 2), st.floats(0, 2), st.floats(0, 2), st.floats(0, 2))
def test_verdicts_follow_their_thresholds(error, null, invariance_error, displacement):
    verdict = judge(error, null=null, invariance_error=invariance_error, displacement=displacement)
    assert (verdict == Verdict.IGNORED) == (displacement < IGNORED)
    if verdict == Verdict.REPRESENTED:
        assert error <= REPRESENTED * null
        assert error <= REPRESENTED * invariance_error
    if verdict == Verdict.SCRAMBLED:
        assert error >= SCRAMBLED * null
    if verdict == Verdict.PARTLY:
        assert error < SCRAMBLED * null
        assert error > REPRESENTED * min(null, invariance_error)


@pytest.mark.parametrize("name", ["error", "null", "invariance_error", "displacement"])
def test_there_is_no_verdict_of_nan(name):
    numbers = {"error": 0.1, "null": 1.0, "invariance_error": 1.0, "displacement": 1.0}
    with pytest.raises(ValueError, match=f"{name} must be a number, got NaN"):
        judge(**(numbers | {name: math.nan}))
