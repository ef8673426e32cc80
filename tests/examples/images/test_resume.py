"""A run that is killed and resumed ends with the bits of one that was not."""

import os
import random
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from images.train import train_images
from tests.examples.images.test_train import TINY, tiny_splits, weights

KILLED = """
import sys
import torch
from tests.examples.images.test_resume import TINY, replace, tiny_splits, train_images, weights
torch.set_num_threads(int(sys.argv[3]))
settings = replace(TINY, method=sys.argv[2], epochs=12)
print("ready", flush=True)
encoder, _ = train_images(settings, tiny_splits(), sys.argv[1], seed=3, resume=True)
print(weights(encoder))
"""


def kill_and_resume(method: str, folder: Path, moments: random.Random) -> str:
    """Train in a process that is killed once, and in one that goes on; the final weights."""
    # With as many threads as here: sums in another order have other last bits.
    threads = str(torch.get_num_threads())
    command = [sys.executable, "-c", KILLED, str(folder), method, threads]
    # Its modules are found where those of this process are.
    process: dict[str, Any] = {
        "cwd": Path(__file__).parents[3],
        "env": os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        "text": True,
    }
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, **process)
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    # A moment of the run, not of the clock: machines differ. Then up to an epoch later.
    epochs = moments.randrange(1, 11)
    log = folder / "log.csv"
    while child.poll() is None:
        if log.exists() and len(log.read_text().splitlines()) > epochs:
            break
        time.sleep(0.001)
    time.sleep(moments.uniform(0, 0.05))
    child.kill()
    child.communicate()
    done = subprocess.run(command, capture_output=True, **process)
    assert done.returncode == 0, done.stderr
    assert len(log.read_text().splitlines()) == 13
    return done.stdout.split()[-1]


def whole(method: str, folder: Path) -> str:
    settings = replace(TINY, method=method, epochs=12)
    return weights(train_images(settings, tiny_splits(), folder, seed=3)[0])


def test_a_killed_run_resumes_to_the_same_bits(tmp_path: Path) -> None:
    resumed = kill_and_resume("care-moco", tmp_path / "killed", random.Random(0))
    assert resumed == whole("care-moco", tmp_path / "whole")


@pytest.mark.slow
@pytest.mark.parametrize("method", ["care-simclr", "care-moco"])
def test_ten_killed_runs_resume_to_the_same_bits(method: str, tmp_path: Path) -> None:
    expected = whole(method, tmp_path / "whole")
    moments = random.Random(1)
    for i in range(5):
        assert kill_and_resume(method, tmp_path / str(i), moments) == expected
