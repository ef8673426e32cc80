"""Schedules against torch's own schedulers."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, MultiStepLR

from equiform.training import schedules


def rates(make, steps):
    optimizer = torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=0.3)
    scheduler = make(optimizer)
    values = []
    for _ in range(steps):
        values.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return values


@given(st.integers(1, 60))
def test_cosine_is_torchs(steps):
    own = rates(lambda o: LambdaLR(o, schedules.cosine(steps)), steps)
    assert own == pytest.approx(rates(lambda o: CosineAnnealingLR(o, steps), steps), abs=1e-9)


@given(st.integers(1, 40), st.data())
def test_warmup_rises_evenly_to_the_base_rate_and_then_falls(steps, data):
    warmup = data.draw(st.integers(0, steps - 1))
    factors = [schedules.cosine(steps, warmup=warmup)(step) for step in range(steps)]
    assert factors[:warmup] == pytest.approx([(i + 1) / warmup for i in range(warmup)])
    assert factors[warmup] == 1
    assert factors[warmup:] == sorted(factors[warmup:], reverse=True)


@given(st.lists(st.integers(1, 30), unique=True).map(sorted))
def test_multistep_is_torchs(milestones):
    own = rates(lambda o: LambdaLR(o, schedules.multistep(milestones)), 35)
    assert own == pytest.approx(rates(lambda o: MultiStepLR(o, milestones), 35))


def test_arguments_are_checked():
    with pytest.raises(ValueError, match=r"warmup must be in \[0, steps\), got warmup=5, steps=5"):
        schedules.cosine(5, warmup=5)
    with pytest.raises(ValueError, match=r"milestones must ascend, got \[3, 1\]"):
        schedules.multistep([3, 1])
