"""A run stops at the first batch whose loss or gradients are not finite, before it steps."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from equiform.training import fit
from tests.distributed.ranks import on_ranks

BATCHES = 4


def data(bad: int | None = None, value: float = math.nan) -> list[Tensor]:
    """Batches, of which one may hold one number that is not finite."""
    batches = list(torch.randn(BATCHES, 5, 3, generator=torch.Generator().manual_seed(1)))
    if bad is not None:
        batches[bad][2, 1] = value
    return batches


def train(
    batches: list[Tensor],
    loss: Callable[[Tensor], Tensor] = lambda z: z.square().mean(),
    *,
    accumulate: int = 1,
    epochs: int = 1,
) -> tuple[Tensor, str]:
    """The weight at the end, and what stopped the run if anything did."""
    torch.manual_seed(0)
    module = nn.Linear(3, 2)
    optimizer = torch.optim.Adam(module.parameters(), lr=0.1)
    stopped = ""
    try:
        fit(
            module,
            lambda x: loss(module(x)),
            batches,
            optimizer,
            epochs=epochs,
            accumulate=accumulate,
            description="care",
        )
    except FloatingPointError as error:
        stopped = str(error)
    return module.weight.detach(), stopped


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("accumulate", [1, 3])
@pytest.mark.parametrize("bad", range(BATCHES))
def test_the_first_bad_batch_is_named_and_no_step_taken(
    bad: int, accumulate: int, value: float
) -> None:
    weight, stopped = train(data(bad, value), accumulate=accumulate, epochs=2)
    assert stopped.startswith(f"care: the loss is {value} in epoch 1, batch {bad + 1}; lower the")
    before = bad - bad % accumulate
    expected, _ = train(data()[:before], accumulate=accumulate) if before else (None, "")
    if expected is None:
        torch.manual_seed(0)
        expected = nn.Linear(3, 2).weight.detach()
    torch.testing.assert_close(weight, expected)


def test_a_gradient_that_is_not_finite_stops_the_run_too() -> None:
    calls = 0

    def loss(z: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        # The root of zero is zero, and its slope times that of the zero inside is 0 · ∞.
        root = (0 * z.square().sum()).sqrt() if calls == BATCHES + 2 else 0
        return z.square().mean() + root

    weight, stopped = train(data(), loss, epochs=3)
    assert stopped.startswith("care: a gradient is nan in epoch 2, batch 2;")
    assert weight.isfinite().all()


def test_large_is_not_infinite() -> None:
    weight, stopped = train(data(), lambda z: 1e30 * z.mean())
    assert not stopped
    assert weight.isfinite().all()


@pytest.mark.parametrize("scale", [1.0, math.nan])
def test_gradients_may_be_sparse_complex_or_absent(scale: float) -> None:
    embed = nn.Embedding(5, 2, sparse=True)
    empty, unused = nn.Parameter(torch.zeros(2, 0)), nn.Parameter(torch.zeros(1))
    turn = nn.Parameter(torch.tensor(1j))
    module = nn.ModuleList([embed, nn.ParameterList([empty, unused, turn])])
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)

    def loss(rows: Tensor) -> Tensor:
        z = embed(rows)
        z.register_hook(lambda gradient: scale * gradient)
        return (z * turn).abs().mean() + (z @ empty).sum()

    def run() -> list[float]:
        return fit(module, loss, [torch.tensor([0, 3])], optimizer, epochs=1).losses

    if math.isnan(scale):
        with pytest.raises(FloatingPointError, match="a gradient is nan in epoch 1, batch 1"):
            run()
    else:
        assert len(run()) == 1


def stop_on_one(rank: int, size: int) -> str:
    """A loss that only the last rank finds infinite, with gradients that all find finite."""
    calls = 0

    def loss(z: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        return z.square().mean() + (math.inf if (rank, calls) == (size - 1, 3) else 0)

    return train(data(), loss)[1]


@pytest.mark.slow
def test_all_ranks_stop_together(tmp_path: Path) -> None:
    for stopped in on_ranks(2, stop_on_one, tmp_path):
        assert stopped.startswith("care: the loss is inf in epoch 1, batch 3;")
