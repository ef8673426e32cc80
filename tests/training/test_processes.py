"""Processes of a run: the device that each is given, and its memory."""

import ctypes
import subprocess
import sys

import pytest
import torch

from equiform.training import join_processes

#: Page faults while large tensors are made and freed.
FAULTS = """
import resource, torch
from equiform.training.processes import keep_freed_memory
if {keep}:
    keep_freed_memory()
def touch():
    for _ in range(8):
        torch.ones(2**24)  # 64 MiB
touch()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
touch()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def test_the_device_is_the_one_asked_for() -> None:
    with join_processes("cpu") as device:
        assert device == torch.device("cpu")


@pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "mallopt"), reason="not glibc"
)
def test_freed_memory_is_kept() -> None:
    def faults(keep: bool) -> int:
        command = [sys.executable, "-c", FAULTS.format(keep=keep)]
        return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    # With transparent huge pages a fault brings in up to 512 pages of 4 KiB.
    assert faults(keep=False) >= 8 * 32
    assert faults(keep=True) <= 8
