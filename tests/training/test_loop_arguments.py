"""What a training loop takes and refuses, of its arguments and of what they return."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from equiform import InfoNCELoss
from equiform.losses import CARETerms
from equiform.training import fit
from tests.training.test_loop import constant


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "epochs must be at least 1, got epochs=0"),
        ({"epochs": 1, "accumulate": 0}, "accumulate must be at least 1, got accumulate=0"),
        ({"epochs": 1, "resume": True}, "needs checkpoint=PATH"),
        ({"epochs": 1, "batches": []}, "batches is empty"),
        ({"optimizer": None}, "optimizer must be a torch Optimizer, got None"),
        ({"optimizer": torch.optim.SGD}, "optimizer must be a torch Optimizer, got <class"),
        ({"scheduler": 5}, "scheduler must be a torch LRScheduler, got 5"),
        ({"loss": None}, "loss must be a function of a batch, got None"),
        ({"loss": InfoNCELoss}, r"loss must be a function .*; use InfoNCELoss\(\)"),
        ({"resume": "no"}, "resume must be True or False"),
        ({"unit_size": 2.5}, "unit_size must be an int"),
        ({"logs": print}, r"logs must be a list, got .*; use logs=\["),
        ({"generators": torch.Generator()}, r"generators must be a list, got .*; use generators="),
        ({"after_step": 1}, "after_step must be a function, got 1"),
        ({"measure": {"knn": 1.0}}, "measure must be a function, got {"),
        ({"module": None}, "module must be a torch module, got None"),
        ({"batches": iter([0])}, r"batches must have a length, got .*; use list\("),
        ({"batches": None}, "batches must have a length, got None"),
        ({"checkpoint": 3}, "checkpoint must be a path, got 3"),
        ({"configuration": [1]}, r"configuration must be a dict, got \[1\]"),
        ({"configuration": {"a": [Path("x")]}}, r"^configuration\['a'\]\[0\] must be plain data"),
        ({"configuration": {"a": torch.ones(2)}}, r"^configuration\['a'\] must be plain data"),
    ],
)
def test_arguments_are_checked(options: dict[str, Any], message: str) -> None:
    module = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    given = {"module": module, "loss": constant(1.0), "batches": [0], "optimizer": optimizer}
    with pytest.raises((TypeError, ValueError), match=message):
        fit(**(given | {"epochs": 1} | options))


def test_a_scheduler_that_needs_a_metric_is_refused() -> None:
    module = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer)
    with pytest.raises(TypeError, match="got ReduceLROnPlateau; step it in measure"):
        fit(module, constant(1.0), [0], optimizer, epochs=1, scheduler=plateau)


ONE = torch.ones((), requires_grad=True)


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (CARETerms(ONE, ONE, ONE), TypeError, r"loss: CARETerms; return terms\.total"),
        ({"loss": CARETerms(ONE, ONE, ONE)}, TypeError, r"loss: CARETerms; return terms\.total"),
        ({"total": ONE}, ValueError, r"one term called \"loss\", got \['total'\]"),
        ({"loss": ONE, "equi": 1.0}, TypeError, "got equi: float"),
        ({"loss": ONE, "epoch": ONE}, ValueError, r"loss must not return \['epoch'\], which fit"),
        (None, TypeError, "got loss: NoneType"),
        (ONE.detach(), ValueError, "loss must depend on parameters, got one without a gradient"),
        (ONE * 1j, TypeError, r"got loss: Tensor of shape \(\), torch\.complex64"),
        (ONE.expand(3), TypeError, r"got loss: Tensor of shape \(3,\)"),
    ],
)
def test_what_a_loss_returns_is_checked(value: Any, error: type[Exception], message: str) -> None:
    module = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    with pytest.raises(error, match=message):
        fit(module, lambda _: value, [0], optimizer, epochs=1)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"knn": np.float32(0.5)}, {"knn": 0.5}),
        ({"knn": torch.tensor(0.5), "n": 3}, {"knn": 0.5, "n": 3.0}),
        (0.5, {"measure": 0.5}),
        ({}, {}),
        (None, "measure must return a scalar number, or a dict of them, got measure: NoneType"),
        ({"knn": None}, "got knn: NoneType"),
        ({"knn": "0.5"}, "got knn: str"),
        ({"knn": torch.ones(2)}, r"got knn: Tensor of shape \(2,\)"),
        *(({name: 1.0}, rf"\['{name}'\], which fit records") for name in ("loss", "seconds")),
    ],
)
def test_what_is_measured_is_made_numbers(value: Any, expected: Any) -> None:
    module = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    run = partial(fit, module, constant(2.0), [0], optimizer, epochs=1, measure=lambda _: value)
    if isinstance(expected, str):
        with pytest.raises((TypeError, ValueError), match=expected):
            run()
        return
    (row,) = run().rows
    own = {"epoch": 1, "loss": 2.0, "learning_rate": 0.1, "seconds": row["seconds"]}
    assert row == own | expected
    assert {type(row[name]) for name in expected} <= {float}


class _Loss(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(1, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x).square().mean()


@pytest.mark.parametrize(
    "wrap",
    [lambda f: f, lambda f: f.forward, partial, lambda f: torch.compile(f, backend="eager")],
)
def test_whatever_can_be_called_is_a_loss(wrap: Callable[[Any], Any]) -> None:
    module = _Loss()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    losses = fit(module, wrap(module), [torch.ones(2, 1)], optimizer, epochs=2).losses
    assert losses[1] < losses[0]
