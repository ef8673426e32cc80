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
