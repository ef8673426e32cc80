"""How everything here is timed, on what, and how its memory is measured."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

#: A step shorter than this is run many times in its turn.
SHORT_MS = 2.0


def median_ms(
    steps: Mapping[str, Callable[[], object]], *, seconds: float = 3.0, device: str = "cpu"
) -> dict[str, float]:
    """Median milliseconds of each step, run in turns so that a busy machine slows all alike.

    Args:
        steps: what to time, by name.
        seconds: about how long to time each; at least three runs.
        device: where they run; CUDA steps are timed with events.
    """
    measure = _cuda_ms if device == "cuda" else _cpu_ms
    times: dict[str, list[float]] = {name: [] for name in steps}
    for step in steps.values():
        step()
    for _ in range(1000):
        running = [name for name, t in times.items() if len(t) < 3 or sum(t) < seconds * 1e3]
        if not running:
            break
        for name in running:
            # The first call of a turn pays for what the step before it left in the caches.
            if measure(steps[name]) < SHORT_MS:
                times[name] += [measure(steps[name]) for _ in range(20)]
            else:
                times[name].append(measure(steps[name]))
    return {name: statistics.median(t) for name, t in times.items()}


def _cpu_ms(step: Callable[[], object]) -> float:
    start = time.perf_counter()
    step()
    return 1e3 * (time.perf_counter() - start)


def _cuda_ms(step: Callable[[], object]) -> float:
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    step()
    end.record()
    end.synchronize()
    return start.elapsed_time(end)


def graphed(
    step: Callable[[], object], *, repeats: int = 1, device: str = "cuda"
) -> Callable[[], object]:
    """A step some times in a row as one CUDA graph: what it costs without Python and launches.

    On another device the same calls without a graph.
    """

    def calls() -> None:
        for _ in range(repeats):
            step()

    if device != "cuda":
        return calls
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        calls()
    return graph.replay


def machine(device: str) -> str:
    """Name of the GPU, or of the CPU, of which one thread is timed."""
    if device != "cpu":
        return torch.cuda.get_device_name(device)
    return f"one thread of {os.cpu_count()} ({processor()})"


def processor() -> str:
    """Model of the CPU; its architecture where the system does not say."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def peak_extra_mb(code: str) -> float:
    """Growth of the resident set while ``step()`` of a fresh Python process runs, in megabytes.

    Args:
        code: Python that defines ``step``; what it allocates before is not counted.
    """
    script = f"{code}\nfrom benchmarks.timing import growth_mb\nprint(growth_mb(step))\n"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def growth_mb(step: Callable[[], object]) -> float:
    """Peak resident set during ``step`` above the one before it (Linux)."""
    before = _status_mb("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    step()
    return _status_mb("VmHWM") - before


def _status_mb(field: str) -> float:
    text = Path("/proc/self/status").read_text()
    return int(text.split(f"{field}:")[1].split()[0]) / 2**10
