"""Jobs shared among processes, so that one that crashes or hangs costs itself alone."""

from __future__ import annotations

import math
import multiprocessing
import os
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any, NamedTuple

#: Processes that a machine with a GPU has room for.
MANY = max(1, min(12, (os.cpu_count() or 2) - 2))
#: A job of its keywords: the result, and what went wrong, one of them None.
Outcome = tuple[dict[str, Any], Any, str | None]


class _Worker:
    """A process that does one job after another, and the job that it is at."""

    def __init__(self, function: Callable[..., Any]) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, function), daemon=True)
        self.process.start()
        theirs.close()
        self.job: dict[str, Any] | None = None
        self.started = math.inf  # a job's time does not run while its process is starting

    def give(self, job: dict[str, Any]) -> None:
        self.job = job
        if self.started < math.inf:
            self.started = time.monotonic()
        self.pipe.send(job)

    def end(self) -> None:
        self.process.kill()
        self.process.join()
        self.pipe.close()


class Limits(NamedTuple):
    """How many processes, how many seconds a job, and until when all of them.

    Attributes:
        processes: at a time.
        job_seconds: after which a job is given up.
        left: seconds until all of them are.
    """

    processes: int
    job_seconds: float
    left: Callable[[], float]


def share(
    function: Callable[..., Any], jobs: Sequence[dict[str, Any]], limits: Limits
) -> Iterator[Outcome]:
    """Call ``function(**job)`` for each job, in processes, and give the outcomes as they come.

    Args:
        function: of a module, since it is looked up by name in each process.
        jobs: keywords, plain data.
        limits: what is not begun when time is over is left out.
    """
    waiting = deque(jobs)
    workers = [_Worker(function) for _ in range(min(limits.processes, len(jobs)))]
    try:
        while True:
            for worker in workers:
                if worker.job is None and waiting and limits.left() > 0:
                    worker.give(waiting.popleft())
            busy = [worker for worker in workers if worker.job is not None]
            if not busy or limits.left() <= 0:
                return
            wait([worker.pipe for worker in busy], timeout=1.0)
            for worker in busy:
                ended = _ended(worker, limits.job_seconds)
                if ended is not None:
                    yield ended
                    if not worker.process.is_alive():
                        workers[workers.index(worker)] = _Worker(function)
    finally:
        for worker in workers:
            worker.end()


def _ended(worker: _Worker, job_seconds: float) -> Outcome | None:
    """The outcome of a worker's job, if it has one; the worker is then idle, or dead."""
    job, error = worker.job, None
    assert job is not None
    result = None
    try:
        if worker.pipe.poll() and worker.started == math.inf:
            worker.pipe.recv()  # it is ready
            worker.started = time.monotonic()
            return None
        if worker.pipe.poll():
            result, error, healthy = worker.pipe.recv()
            if not healthy:  # nothing that follows an error of the device can be believed
                worker.end()
        elif time.monotonic() - worker.started > job_seconds:
            error = f"no result after {job_seconds:.0f} s"
            worker.end()
        else:
            return None
    except EOFError:
        worker.process.join()
        error = f"its process ended with status {worker.process.exitcode}"
    worker.job = None
    return job, result, error


def _serve(pipe: Connection, function: Callable[..., Any]) -> None:
    pipe.send("ready")
    os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "1")  # there are processes enough
    while True:
        try:
            job = pipe.recv()
        except EOFError:
            return
        result, error, healthy = None, None, True
        try:
            result = function(**job)
        except Exception as raised:
            error = "".join(traceback.format_exception_only(raised)).strip()[-600:]
            healthy = "CUDA" not in error  # torch's "CUDA error" and Triton's "Error [CUDA]"
        pipe.send((result, error, healthy))
