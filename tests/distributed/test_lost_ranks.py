"""A rank that ends, or never comes, ends the others with a message within the timeout."""

import os
import signal
import time
from datetime import timedelta

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from equiform import Hyperboloid, InfoNCELoss, PairwiseEquivarianceLoss, UniformityLoss
from tests.distributed.ranks import START_METHOD

#: Seconds; the second is what the first is to spare.
TIMEOUT, SLEEP = 2, 60


def ends():
    os._exit(1)


def is_killed():
    os.kill(os.getpid(), signal.SIGKILL)


def raises():
    raise SystemExit("this rank could not read its data")


def never_comes():
    time.sleep(SLEEP)


LOSSES = [
    PairwiseEquivarianceLoss(gather_distributed=True),
    InfoNCELoss(gather_distributed=True),
    UniformityLoss(manifold=Hyperboloid(), gather_distributed=True),
]


def survive(rank, folder, loss, fate, when):
    """Rank 1 meets its fate before the loss or before its backward pass; rank 0 tells of it."""
    torch.set_num_threads(1)
    timeout = timedelta(seconds=TIMEOUT)
    meeting = f"file://{folder}/meeting"
    dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=2, timeout=timeout)
    z = torch.randn(2, 4, 3, requires_grad=True)
    views = Hyperboloid().project(z)
    loss(*views)
    start = time.monotonic()
    try:
        if when == "forward" and rank == 1:
            fate()
        value = loss(*views)
        if rank == 1:
            fate()
        value.backward()
    except RuntimeError as error:
        (folder / "told").write_text(f"{time.monotonic() - start} {error}")
        os._exit(0)  # the other one is in no state to part from


CASES = [
    (LOSSES[0], ends, "forward"),
    (LOSSES[1], never_comes, "forward"),
    # The only one here whose backward pass communicates.
    (LOSSES[2], ends, "backward"),
]
MORE_CASES = [
    *((loss, fate, "forward") for loss in LOSSES for fate in (ends, is_killed, raises)),
    *((loss, never_comes, "forward") for loss in LOSSES),
    *((LOSSES[2], fate, "backward") for fate in (is_killed, raises, never_comes)),
]


@pytest.mark.parametrize("cases", [CASES, pytest.param(MORE_CASES, marks=pytest.mark.slow)])
def test_a_rank_that_is_lost_ends_the_others(cases, tmp_path):
    context = mp.get_context(START_METHOD)
    pairs = []
    for number, case in enumerate(cases):
        folder = tmp_path / str(number)
        folder.mkdir()
        pair = [context.Process(target=survive, args=(rank, folder, *case)) for rank in range(2)]
        for process in pair:
            process.start()
        pairs.append((folder, *pair))
    for folder, survivor, lost in pairs:
        survivor.join(SLEEP)
        lost.kill()
        assert survivor.exitcode == 0
        seconds, _, told = (folder / "told").read_text().partition(" ")
        assert float(seconds) < SLEEP / 2
        assert told.startswith("rank 0 of 2 waited for the others in vain"), told
        assert "timeout of torch.distributed.init_process_group" in told
