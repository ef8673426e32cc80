import copy

import pytest
import torch

from equiform.nn import Whitening


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_whitening_decorrelates_in_both_modes(generator: torch.Generator) -> None:
    mixing = torch.randn(4, 4, generator=generator)
    layer = Whitening(4, shrinkage=1e-6)
    z = torch.randn(5000, 4, generator=generator) @ mixing + 7
    for _ in range(2):
        white = layer(z)
        torch.testing.assert_close(white.mT @ white / 5000, torch.eye(4), atol=1e-2, rtol=0)
        torch.testing.assert_close(white.mean(0), torch.zeros(4), atol=1e-2, rtol=0)
        layer.eval()


@pytest.mark.parametrize(
    "wrong",
    [{"features": 0}, {"momentum": 0.0}, {"momentum": 2.0}, {"shrinkage": 0.0}, {"shrinkage": 1.0}],
)
def test_whitening_checks_its_arguments(wrong: dict[str, float]) -> None:
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=rf"{name}.* got .*\b{value}"):
        Whitening(**{"features": 4, **wrong})  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match=rf"{name} must be .* got True"):
        Whitening(**{"features": 4, name: True})  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("z", "error", "match"),
    [
        (torch.ones(5, 3), ValueError, r"z must have shape \(n, 4\), got \(5, 3\)"),
        (torch.ones(4), ValueError, "z must have shape"),
        (torch.ones(5, 4).numpy(), TypeError, "z must be a tensor"),
        (torch.ones(5, 4).cfloat(), TypeError, "z must be real"),
    ],
)
def test_whitening_checks_what_comes_in(
    z: torch.Tensor, error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        Whitening(4)(z)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("buffers", [torch.float16, torch.float32, torch.float64])
def test_any_precision_is_whitened_in_float32_or_better(
    dtype: torch.dtype, buffers: torch.dtype, generator: torch.Generator
) -> None:
    z = torch.randn(64, 4, generator=generator).to(dtype)
    layer, exact = Whitening(4).to(buffers), Whitening(4).double()
    for _ in range(2):
        # Under autocast too, which would take the covariance in bfloat16.
        with torch.autocast("cpu", dtype=torch.bfloat16):
            white = layer(z)
        assert (white.dtype, layer.mean.dtype, layer.covariance.dtype) == (dtype, buffers, buffers)
        # 64 terms a sum; the running statistics of eval mode are rounded as the buffers are.
        eps = max(torch.finfo(t).eps for t in (dtype, *([] if layer.training else [buffers])))
        expected = exact(z.double())
        torch.testing.assert_close(white.double(), expected, rtol=64 * eps, atol=64 * eps)
        layer.eval()
        exact.eval()


def moved(layer: Whitening, before: dict[str, torch.Tensor]) -> bool:
    return any(not torch.equal(x, before[name]) for name, x in layer.state_dict().items())


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_batch_that_is_not_finite_gives_nan_and_ruins_nothing(
    value: float, generator: torch.Generator
) -> None:
    z = torch.randn(9, 4, generator=generator)
    layer = Whitening(4)
    layer(z)
    before = copy.deepcopy(layer.state_dict())
    bad = z.clone()
    bad[3, 1] = value
    assert layer(bad).isnan().all()  # as each row is taken from the mean of all
    assert not moved(layer, before)
    white = layer.eval()(bad)
    others = torch.arange(9) != 3
    assert not white[3].isfinite().all()
    torch.testing.assert_close(white[others], layer(z)[others])


@pytest.mark.parametrize(
    ("z", "match"),
    [
        (torch.ones(1, 4), "z must hold two rows or more in train mode, got 1"),
        (torch.ones(0, 4), "z must hold two rows or more in train mode, got 0"),
        (torch.full((9, 4), 0.1), "z must vary in a batch, .* around 0.1; look for a collapse"),
        (torch.zeros(9, 4), "z must vary in a batch, .* got variance 0 around 0;"),
        (torch.eye(9, 4) * 1e30, "z must vary in a batch, .* got variance inf"),
        (torch.eye(9, 4) * 1e-30, "z must vary in a batch, .* got variance 0"),
    ],
)
def test_a_batch_that_cannot_be_whitened_is_refused(z: torch.Tensor, match: str) -> None:
    layer = Whitening(4)
    before = copy.deepcopy(layer.state_dict())
    with pytest.raises(ValueError, match=match):
        layer(z)
    assert not moved(layer, before)
    assert layer.eval()(z).isfinite().all()  # by the statistics that it has


def test_a_constant_coordinate_beside_others_is_no_constant_batch(
    generator: torch.Generator,
) -> None:
    z = torch.randn(9, 4, generator=generator)
    z[:, 2] = 1e6
    assert Whitening(4)(z).isfinite().all()


def test_running_statistics_in_half_precision_take_no_infinity() -> None:
    layer = Whitening(2).half()
    layer(torch.eye(3, 2) * 1e6)  # whose squares float16 does not hold
    assert all(x.isfinite().all() for x in layer.state_dict().values())
