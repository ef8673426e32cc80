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
