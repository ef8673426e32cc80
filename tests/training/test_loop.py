import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from equiform import InfoNCELoss
from equiform.nn import Whitening
from equiform.training import CheckpointError, fit, loop


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


def test_a_run_with_numbers_of_numpy_can_be_resumed(tmp_path: Path) -> None:
    def run(epochs: int, **options: Any) -> list[float]:
        torch.manual_seed(0)
        module = nn.Linear(1, 1)
        optimizer = torch.optim.SGD(module.parameters(), lr=np.logspace(-2, -1, 2)[0])
        return fit(
            module,
            lambda x: module(x).square().mean(),
            [torch.ones(2, 1)],
            optimizer,
            epochs=np.int64(epochs),  # pyright: ignore[reportArgumentType]
            accumulate=np.int64(1),  # pyright: ignore[reportArgumentType]
            scheduler=torch.optim.lr_scheduler.LambdaLR(optimizer, lambda t: np.exp(-t)),
            measure=lambda _: {"knn": np.float64(0.5)},
            configuration={"lr": np.float32(0.1), 3: (np.int64(2), None)},
            checkpoint=tmp_path / "run.pt",
            **options,
        ).losses

    whole = run(3)
    assert run(2) == whole[:2]
    assert run(3, resume=True) == whole


@pytest.mark.parametrize("first", [True, False])
def test_a_run_with_a_scheduler_is_not_resumed_without_nor_the_reverse(
    tmp_path: Path, first: bool
) -> None:
    module = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    scheduler = torch.optim.lr_scheduler.LinearLR(optimizer)
    run = partial(fit, module, constant(1.0), [0], optimizer, checkpoint=tmp_path / "run.pt")
    run(epochs=1, scheduler=scheduler if first else None)
    with pytest.raises(CheckpointError, match=r"run\.pt holds .*'scheduler'"):
        run(epochs=2, scheduler=None if first else scheduler, resume=True)


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


def test_a_log_file_has_lines_on_stderr_from_the_first_rank_only(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    module = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    fit(module, constant(2.0), [0, 1, 2], optimizer, epochs=2, description="care")
    captured = capsys.readouterr()
    assert captured.out == ""
    start, end = captured.err.splitlines()
    assert start == "care: training for 2 epochs of 3 steps"
    assert re.fullmatch(r"care: trained for 2 epochs in \d+\.\d s, loss 2\.0000", end)
    monkeypatch.setattr(loop, "rank", lambda: 1)
    fit(module, constant(2.0), [0], optimizer, epochs=1)
    assert capsys.readouterr().err == ""


def test_accumulated_gradients_are_those_of_the_large_batch() -> None:
    data = torch.randn(24, 5, dtype=torch.float64)

    def final(batch_size: int, accumulate: int) -> Tensor:
        torch.manual_seed(0)
        module = nn.Linear(5, 2, dtype=torch.float64)
        optimizer = torch.optim.Adam(module.parameters(), lr=0.01)
        scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2, 0.5)
        fit(
            module,
            lambda x: module(x).square().mean(),
            list(data.split(batch_size)),
            optimizer,
            epochs=2,
            scheduler=scheduler,
            accumulate=accumulate,
        )
        return module.weight.detach()

    torch.testing.assert_close(final(4, 3), final(12, 1), rtol=1e-10, atol=0)
    # Two batches are left over, whose mean makes the last step of an epoch.
    torch.testing.assert_close(final(6, 4), final(24, 1), rtol=1e-10, atol=0)
    torch.testing.assert_close(final(3, 10), final(24, 1), rtol=1e-10, atol=0)


def test_terms_measurements_and_logs_make_rows(tmp_path: Path) -> None:
    module = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    seen: list[list[float]] = []
    steps = 0

    def loss(batch: int) -> dict[str, Tensor]:
        assert module.training
        return {"loss": module(torch.ones(1)).sum() * 0 + 1.0, "batch": torch.tensor(float(batch))}

    def measure(epoch: int) -> dict[str, float]:
        assert not module.training
        return {"knn": epoch / 10}

    def after_step() -> None:
        nonlocal steps
        steps += 1

    def run(epochs: int, **options: Any) -> list[dict[str, float]]:
        return fit(
            module,
            loss,
            [1, 2, 6],
            optimizer,
            epochs=epochs,
            measure=measure,
            logs=[lambda rows: seen.append([row["epoch"] for row in rows])],
            after_step=after_step,
            checkpoint=tmp_path / "run.pt",
            **options,
        ).rows

    first = run(2)
    rows = run(3, resume=True)
    assert rows[:2] == first
    for epoch, row in enumerate(rows, start=1):
        assert row["seconds"] > 0
        expected = {"epoch": epoch, "loss": 1, "batch": 3, "learning_rate": 0.1}
        assert row == expected | {"knn": epoch / 10, "seconds": row["seconds"]}
    assert seen == [[1], [1, 2], [1, 2, 3]]
    assert steps == 9


def test_a_contrastive_loss_sees_one_batch_at_a_time() -> None:
    z = nn.Parameter(torch.randn(8, 3, dtype=torch.float64))
    whole, *parts = (
        torch.autograd.grad(InfoNCELoss()(z[rows], z[rows].flip(1)), z)[0]
        for rows in (slice(0, 8), slice(0, 4), slice(4, 8))
    )
    assert not torch.allclose(whole, sum(parts) / 2)  # pyright: ignore
