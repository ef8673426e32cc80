"""The parts of a run: its learning rates step by step, and its probe."""

from dataclasses import replace

import pytest
import torch
from torch.optim.lr_scheduler import CosineAnnealingLR

from equiform.probes import linear_probe
from images.parts import build_optimizer, probe_options
from images.settings import PRESETS, Settings

EPOCHS, STEPS = 10, 7


def rates(optimizer, scheduler, steps):
    """The learning rate of each step, and the one after the last."""
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return torch.tensor([*found, optimizer.param_groups[0]["lr"]], dtype=torch.float64)


def of_settings(**changes):
    settings = Settings(epochs=EPOCHS, learning_rate=0.3, **changes)
    return rates(*build_optimizer(settings, torch.nn.Linear(2, 2), STEPS), EPOCHS * STEPS)


def cosine_of_torch(steps):
    optimizer = torch.optim.SGD(torch.nn.Linear(2, 2).parameters(), lr=0.3)
    return rates(optimizer, CosineAnnealingLR(optimizer, steps), steps)


@pytest.mark.parametrize("warmup", [0, 1, 4])
def test_cosine_is_torchs_after_a_linear_rise(warmup):
    found, rise = of_settings(schedule="cosine", warmup_epochs=warmup), warmup * STEPS
    # From lr / rise in equal steps to lr; torch's recursion rounds once a step.
    expected = 0.3 * torch.arange(1, rise + 1, dtype=torch.float64) / max(1, rise)
    torch.testing.assert_close(found[:rise], expected)
    after = cosine_of_torch(EPOCHS * STEPS - rise)
    torch.testing.assert_close(found[rise:], after, rtol=1e-12, atol=1e-14)
    assert abs(found[-1]) < 1e-15


def test_constant_and_multistep():
    assert of_settings(schedule="constant").unique().tolist() == [0.3]
    falls = torch.tensor([1.0] * 42 + [0.1] * 14 + [0.01] * 15, dtype=torch.float64)
    torch.testing.assert_close(of_settings(schedule="multistep"), 0.3 * falls)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW), ("sgd", torch.optim.SGD)],
)
def test_optimizers(name, kind):
    settings = replace(Settings(), optimizer=name, learning_rate=0.2, weight_decay=0.1)
    module = torch.nn.Linear(2, 2)
    module.bias.requires_grad_(False)
    optimizer, _ = build_optimizer(settings, module, 3)
    assert type(optimizer) is kind
    (group,) = optimizer.param_groups
    assert group["params"] == [module.weight]
    assert (group["lr"], group["weight_decay"]) == (0.2, 0.1)
    assert group.get("momentum") == (0.9 if name == "sgd" else None)


def test_the_probe_of_imagenet_100_is_trained_by_sgd_with_milestones() -> None:
    options = probe_options(PRESETS["imagenet100-moco"][0])
    parameter = torch.zeros(2, requires_grad=True)
    optimizer = options["optimizer"]([parameter], lr=options["lr"], weight_decay=0.0)
    assert isinstance(optimizer, torch.optim.SGD)
    assert (optimizer.defaults["lr"], optimizer.defaults["momentum"]) == (30, 0.9)
    assert (options["epochs"], options["milestones"]) == (60, (30, 40, 50))
    features, labels = torch.randn(40, 3), torch.arange(40) % 2
    # A tenth of the rate ten times over is none: what was reached by then stays.
    stopped, longer = (
        linear_probe(features, labels, features, labels, epochs=n, milestones=[1] * 10)
        for n in (1, 4)
    )
    assert stopped == pytest.approx(longer)
    assert stopped != linear_probe(features, labels, features, labels, epochs=4)
