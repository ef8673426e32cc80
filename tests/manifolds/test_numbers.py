"""What goes into a method of a manifold and is no number, or few digits, and what comes out."""

import copy

import pytest
import torch

from equiform.manifolds import Hyperboloid, Sphere
from tests.manifolds.methods import (
    MANIFOLDS,
    ROWS,
    arguments,
    call,
    every_method,
    public,
    table,
)

#: What gives no numbers, or draws them.
OTHER = {"ambient_dim", "isometry_group", "origin", "pack_point", "unpack_tensor"} | {
    "random",
    "random_uniform",
    "random_normal",
}


@pytest.mark.parametrize("manifold", MANIFOLDS, ids=repr)
def test_the_table_is_complete(manifold):
    checks = {name for name in public(manifold) if name.startswith(("check_", "assert_check_"))}
    assert public(manifold) - OTHER - checks == set(table(manifold))


@every_method
def test_nan_and_infinity_come_out(manifold, name, letters):
    given = arguments(manifold)
    for i, letter in enumerate(letters):
        for coordinate in range(given[letter].shape[-1]):
            for wrong in (torch.nan, torch.inf, -torch.inf):
                args = [given[key] for key in letters]
                args[i] = args[i].clone()
                args[i][1, coordinate] = wrong
                value = call(manifold, name)(*args)
                hit = value[..., 1] if name in ROWS and letter == "y" else value[1]
                # Coordinates that nothing wrong went into may be right.
                none = hit.ndim == 0 or name in ROWS
                assert not (hit.isfinite().any() if none else hit.isfinite().all()), (letter, wrong)
                if name not in ROWS:
                    assert value[[0, 2]].isfinite().all()


@every_method
def test_a_row_of_nan_is_a_row_of_nan(manifold, name, letters):
    given = arguments(manifold)
    args = [given[key].clone() for key in letters]
    args[0][1] = torch.nan
    assert call(manifold, name)(*args)[1].isnan().all()


@every_method
def test_autocast_changes_nothing(manifold, name, letters):
    for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
        args = [arguments(manifold, dtype)[key] for key in letters]
        expected = call(manifold, name)(*args)
        assert expected.dtype == torch.promote_types(dtype, torch.float32)
        with torch.autocast("cpu", torch.bfloat16):
            got = call(manifold, name)(*args)
        assert got.dtype == expected.dtype
        torch.testing.assert_close(got, expected)
        if dtype.itemsize == 2:
            wide = call(manifold, name)(*(x.float() for x in args))
            torch.testing.assert_close(expected, wide)


@every_method
def test_zeros_subnormals_and_large_numbers(manifold, name, letters):
    """Vectors of these sizes at points; finite, with finite gradients, or overflowing to ±inf."""
    for dtype in (torch.float32, torch.float64):
        given = arguments(manifold, dtype)
        for size in (0.0, 1e-40, 1e-30, 1e18, 1e30):
            args = [given[key] if key in "xyt" else size * given[key] for key in letters]
            args = [x.clone().requires_grad_() for x in args]
            value = call(manifold, name)(*args)
            assert not value.isnan().any(), size
            if value.isfinite().all():
                value.sum().backward()
                assert not any(x.grad.isnan().any() for x in args if x.grad is not None), size


@pytest.mark.parametrize("manifold", MANIFOLDS, ids=repr)
def test_of_no_rows_and_in_other_modes(manifold):
    given = arguments(manifold)
    for name, letters in table(manifold).items():
        args = [given[key] for key in letters]
        expected = call(manifold, name)(*args)
        assert call(manifold, name)(*(x[:0] for x in args)).numel() == 0
        with torch.inference_mode():
            torch.testing.assert_close(call(manifold, name)(*args), expected)
        meta = copy.deepcopy(manifold).to("meta")
        assert call(meta, name)(*(x.to("meta") for x in args)).shape == expected.shape


def test_project_of_subnormal_numbers_keeps_their_direction():
    for dtype, size in ((torch.float32, 1e-42), (torch.float64, 1e-310)):
        z = torch.tensor([0.0, -size, size], dtype=dtype, requires_grad=True)
        x = Sphere().project(z)
        torch.testing.assert_close(x, torch.tensor([0.0, -(0.5**0.5), 0.5**0.5], dtype=dtype))
        x.sum().backward()
        assert z.grad.isfinite().all()


def test_the_origin_in_float64_and_the_curvature_in_float32():
    """2.5 is held exactly in float32, and its root is taken in float64."""
    manifold = Hyperboloid(2.5)
    expected = torch.zeros(2, 4, dtype=torch.float64)
    expected[:, 0] = 2.5**0.5
    assert torch.equal(manifold.origin(2, 4, dtype=torch.float64).data, expected)
    v = torch.tensor([3.0, 1.0, 2.0], dtype=torch.float64)
    assert manifold.inner0(v).item() == pytest.approx(-(2.5**0.5) * 3, rel=1e-15)
    with pytest.raises(ValueError, match="k must be positive and finite"):
        Hyperboloid(1e300)  # infinite in the default dtype


@pytest.mark.parametrize("manifold", MANIFOLDS, ids=repr)
@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
def test_new_points_in_half_precision_are_on_the_manifold(manifold, half):
    for new in (manifold.random, manifold.origin):
        x = new(50, 4, dtype=half)
        assert x.dtype == torch.float32
        assert manifold.check_point_on_manifold(x, atol=1e-6, rtol=1e-6)


def test_products_of_far_points_do_not_turn_negative():
    """Rounding leaves nothing of cosh d at radius 30; it was the logarithm of a negative number."""
    manifold = Hyperboloid(max_radius=30)
    x = manifold.project(1e3 * arguments(manifold, n=20)["z"]).requires_grad_()
    value = manifold.log_cosh_products(x)
    assert value.isfinite().all()
    value.sum().backward()
    assert x.grad.isfinite().all()
