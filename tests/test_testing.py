"""The helpers that the library offers to the tests of others."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from equiform import EuclideanForm, SpecialOrthogonal
from equiform.testing import assert_equivariant, group_elements, matrices, point_sets

T = SpecialOrthogonal(3).sample(generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def same(x):
    return x


def turn(x):
    return (x.double() @ T.mT).to(x.dtype)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_an_equivariant_function_passes_in_any_precision(dtype):
    x = torch.randn(20, 3).to(dtype)
    assert_equivariant(same, x, turn, T)
    assert_equivariant(same, x, turn, T.float())
    with torch.autocast("cpu", torch.bfloat16):
        assert_equivariant(same, x, turn, T.float())
    big = x.double() * 1e30
    assert_equivariant(same, big, turn, T)


@pytest.mark.parametrize(
    "function", [torch.abs, lambda x: x * torch.nan, lambda x: x / 0, lambda x: x.double() * 1e300]
)
def test_any_other_fails(function):
    with pytest.raises(AssertionError, match=r"f\(a\(x\)\) and T f\(x\) differ"):
        assert_equivariant(function, torch.randn(20, 3), turn, T)


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"function": None}, TypeError, "function must be a function, got NoneType"),
        ({"transform": 3}, TypeError, "transform must be a function, got int"),
        ({"function": lambda x: x.tolist()}, TypeError, r"function\(x\) must be a tensor .*list"),
        ({"function": torch.sum}, ValueError, r"function\(x\) must have shape \(n, d\)"),
        ({"transform": lambda x: x[1:]}, ValueError, r"one shape \(n, d\)"),
        ({"matrix": T.numpy()}, TypeError, "matrix must be a tensor"),
        ({"matrix": T[:2]}, ValueError, "matrix must have shape"),
        ({"matrix": T[:2, :2]}, ValueError, r"matrix must have shape \(3, 3\), got \(2, 2\)"),
        ({"matrix": T * torch.nan}, ValueError, "matrix must be finite"),
        ({"rtol": "1e-3"}, TypeError, "rtol must be a number"),
    ],
)
def test_misuse_is_named(change, error, match):
    whole = {"function": same, "x": torch.randn(20, 3), "transform": turn, "matrix": T}
    with pytest.raises(error, match=match):
        assert_equivariant(**(whole | change))


def test_strategies_name_what_they_cannot_draw_of():
    with pytest.raises(TypeError, match="d must be an int"):
        matrices(2, 3.0)

    @given(data=st.data())
    def draw(strategy, data):
        data.draw(strategy)

    with pytest.raises(TypeError, match=r"use form\.isometry_group\(d\)"):
        draw(group_elements(EuclideanForm()))
    with pytest.raises(TypeError, match="form must be a form"):
        draw(point_sets(SpecialOrthogonal(3), 3))
