from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from equiform.nn import Whitening
from equiform.training import CheckpointError, fit


class InterruptedTrainingError(Exception):
    pass


def train(epochs: int, *, interrupt_at: int | None = None, **options: Any) -> nn.Module:
    """A run that draws from torch's generator (dropout) and from its own (order, noise)."""
    torch.manual_seed(3)
    generator = torch.Generator().manual_seed(4)
    data = torch.randn(24, 5)
    module = nn.Sequential(nn.Linear(5, 4), nn.Dropout(0.2), nn.BatchNorm1d(4), Whitening(4))
    optimizer = torch.optim.Adam(module.parameters(), lr=0.01)
    batches = DataLoader(data, batch_size=8, shuffle=True, generator=generator)  # pyright: ignore
    calls = 0

    def loss(batch: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        if calls == interrupt_at:
            raise InterruptedTrainingError
        noise = torch.randn(batch.shape, generator=generator)
        return (module(batch + 0.1 * noise) - module(batch)).square().mean()

    fit(
        module,
        loss,
        batches,
        optimizer,
        epochs=epochs,
        scheduler=torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 3 * epochs),
        generators=[generator],
        **options,
    )
    return module


def test_a_resumed_run_has_the_bits_of_an_uninterrupted_one(tmp_path: Path) -> None:
    whole = train(4)
    with pytest.raises(InterruptedTrainingError):
        train(4, interrupt_at=8, checkpoint=tmp_path / "run.pt")
    resumed = train(4, checkpoint=tmp_path / "run.pt", resume=True)
    for (name, a), b in zip(whole.state_dict().items(), resumed.state_dict().values(), strict=True):
        assert torch.equal(a, b), name


def test_a_finished_run_is_not_trained_further(tmp_path: Path) -> None:
    whole = train(2, checkpoint=tmp_path / "run.pt")
    again = train(2, checkpoint=tmp_path / "run.pt", resume=True, interrupt_at=1)
    assert torch.equal(whole[0].weight, again[0].weight)  # pyright: ignore
    assert not any(part.training for part in again.modules())


def test_resuming_without_a_checkpoint_file_starts_afresh(tmp_path: Path) -> None:
    fresh = train(1, checkpoint=tmp_path / "run.pt", resume=True)
    assert torch.equal(fresh[0].weight, train(1)[0].weight)  # pyright: ignore


def test_another_configuration_is_refused_and_named(tmp_path: Path) -> None:
    train(1, checkpoint=tmp_path / "run.pt", configuration={"seed": 0, "dim": 8})
    with pytest.raises(CheckpointError, match=r"\(dim: 8 there, 16 here\)"):
        train(1, checkpoint=tmp_path / "run.pt", resume=True, configuration={"seed": 0, "dim": 16})


def constant(value: float) -> Callable[[Tensor], Tensor]:
    weight = torch.ones((), requires_grad=True)
    return lambda _: value * weight


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "epochs must be at least 1, got 0"),
        ({"epochs": 1, "resume": True}, "needs checkpoint=PATH"),
        ({"epochs": 1, "batches": []}, "batches is empty"),
    ],
)
def test_arguments_are_checked(options: dict[str, Any], message: str) -> None:
    module = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    with pytest.raises(ValueError, match=message):
        fit(module, constant(1.0), options.pop("batches", [0]), optimizer, **options)


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path: Path) -> None:
    module = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    with pytest.raises(FloatingPointError, match="the loss is nan in epoch 1"):
        fit(module, constant(float("nan")), [0], optimizer, epochs=2, checkpoint=tmp_path / "c.pt")
    assert not (tmp_path / "c.pt").exists()


def test_history_holds_the_mean_loss_of_each_epoch() -> None:
    module = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    history = fit(module, constant(2.0), [0, 1, 2], optimizer, epochs=2)
    assert history.losses == [2.0, 2.0]
    assert history.seconds > 0
