"""Steering: rows by the column action, and what is refused."""

import pytest
import torch

from equiform import EuclideanForm, HermitianForm, SpecialOrthogonal
from equiform.steering import LearnedIsometry, steer
from tests.cases import GROUPS

CASES = [pytest.param(case.group, id=case.id) for case in GROUPS]
SO3 = SpecialOrthogonal(3)


@pytest.mark.parametrize("sesquilinear", [False, True])
def test_steer_moves_rows_by_the_column_action(sesquilinear, dtype):
    group = HermitianForm().isometry_group(3) if sesquilinear else SO3
    t = group.sample(2, 1, dtype=torch.complex128 if sesquilinear else torch.float64)
    z = torch.randn(5, 3, 4, dtype=dtype.to_complex() if sesquilinear else dtype).mT
    moved = steer(z[None], t)
    assert moved.dtype == z.dtype
    expected = torch.einsum("aij,cnj->acni", t[:, 0], z.to(t.dtype))
    torch.testing.assert_close(moved, expected.to(z.dtype))
    torch.testing.assert_close(steer(moved, t.mH), z.expand_as(moved))


def test_steer_by_one_matrix_a_row_is_said_and_not_guessed():
    z = torch.randn(500, 8)
    learned = LearnedIsometry(EuclideanForm().isometry_group(8), 2)
    t = learned(torch.randn(500, 2))
    with pytest.raises(
        ValueError, match=r"steer\(z\[None\], matrix\).*steer\(z\[:, None\], matrix"
    ):
        steer(z, t)
    by_row = steer(z[:, None], t)[:, 0]
    assert by_row.shape == (500, 8)
    torch.testing.assert_close(by_row, torch.einsum("nij,nj->ni", t, z))
    assert steer(z[None], t[:7]).shape == (7, 500, 8)


def test_steer_computes_in_float32_or_better():
    z, t = torch.randn(9, 3), SO3.sample()
    half = z.bfloat16()
    expected = (half.float() @ t.mT).bfloat16()
    assert torch.equal(steer(half, t), expected)
    expected = (z.double() @ t.double().mT).float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(steer(z, t), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("z", "matrix", "match"),
    [
        (torch.ones(3), torch.eye(3), r"z must have shape .* use z\[None\] for one embedding"),
        (torch.ones(2, 3), torch.eye(4), r"\(\.\.\., n, d\) and matrix \(\.\.\., d, d\)"),
        (torch.ones(2, 3), torch.ones(3, 4), r"matrix must have shape \(\.\.\., d, d\)"),
        (torch.ones(2, 4, 3), torch.ones(3, 3, 3), "leading shapes of z and matrix must broadcast"),
        (torch.ones(2, 3), torch.eye(3) + 0j, "a complex matrix moves complex embeddings only"),
        ([[1.0, 2.0]], torch.eye(2), r"z must be a tensor .* got list; use torch\.as_tensor\(z\)"),
        (torch.ones(1, 2), None, "matrix must be a tensor .* got NoneType"),
        (
            torch.ones(1, 2, dtype=torch.long),
            torch.eye(2),
            r"z must be floating.* use z\.float\(\)",
        ),
    ],
)
def test_steer_refuses_what_does_not_fit(z, matrix, match):
    with pytest.raises((ValueError, TypeError), match=match):
        steer(z, matrix)


def test_the_example_of_steer_runs():
    import doctest

    from equiform.steering import _steer

    failed, attempted = doctest.testmod(_steer)
    assert attempted > 0
    assert failed == 0
