"""The command; see the package."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import torch

import benchmarks.gpu
from benchmarks.gpu.apply import apply, sections
from benchmarks.gpu.options import Options
from benchmarks.gpu.parameters import tuned
from benchmarks.gpu.results import Results, read
from benchmarks.gpu.stages import STAGES

#: Seconds that a stage is given to end by itself when its time is over.
GRACE = 10.0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the stages one after the other; 1 if one failed, was cut short, or found an error."""
    arguments = parse_arguments(argv)
    if arguments.apply is not None:
        try:
            print(*apply(arguments.apply), sep="\n")
        except ValueError as error:
            raise SystemExit(f"benchmarks.gpu: error: {error}") from error
        return 0
    if arguments.out is None:
        raise SystemExit("benchmarks.gpu: error: --out DIR is needed; it takes the results")
    if not arguments.rehearse and not torch.cuda.is_available():
        raise SystemExit("benchmarks.gpu: error: no CUDA GPU; --rehearse runs all of it on the CPU")
    if arguments.stage is not None:
        run_stage(arguments)
        return 0
    arguments.out.mkdir(parents=True, exist_ok=True)
    start, names = time.monotonic(), [name for name in STAGES if name in arguments.only]
    good = True
    for index, name in enumerate(names):
        left = 60 * arguments.minutes - (time.monotonic() - start)
        shares = sum(STAGES[other].share for other in names[index:])
        seconds = left * STAGES[name].share / shares
        print(f"{name}: up to {max(0.0, seconds):.0f} s", flush=True)
        status = 1
        if seconds > 0:
            # What an earlier run left must not pass for this one's.
            (arguments.out / f"{name}.json").unlink(missing_ok=True)
            status = in_a_process(name, seconds, arguments)
        if name not in read(arguments.out):  # it had no time to begin
            Results(arguments.out, name, seconds=0.0, rehearsal=arguments.rehearse)
        records = read(arguments.out)
        record = records[name]
        failures = sum(row.get("ok") is False for row in record["rows"])
        good &= status == 0 and record["complete"] and not failures
        print(
            f"{name}: {'complete' if record['complete'] else 'not complete'}, status {status}, "
            f"{failures} failures",
            flush=True,
        )
        summary = sections(records, STAGES) + "\n"
        (arguments.out / "summary.md").write_text(summary, encoding="utf-8")
    return 0 if good else 1


def in_a_process(name: str, seconds: float, arguments: argparse.Namespace) -> int:
    """Run a stage in a process of its own, which is killed if it does not end; its status."""
    command = [sys.executable, "-m", "benchmarks.gpu", "--stage", name, "--out", arguments.out]
    command += ["--seconds", str(seconds), *(["--rehearse"] if arguments.rehearse else [])]
    command += ["--data", arguments.data] if arguments.data is not None else []
    environment = dict(os.environ)
    # What cuBLAS asks for where deterministic algorithms are on.
    environment.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    if arguments.rehearse:
        environment |= {"CUDA_VISIBLE_DEVICES": "", "TRITON_INTERPRET": "1"}
    process = subprocess.Popen(command, env=environment, process_group=0)

    def end() -> None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)

    previous = signal.signal(signal.SIGTERM, lambda *_: (end(), sys.exit(143)))
    try:
        return process.wait(seconds + GRACE)
    except subprocess.TimeoutExpired:
        return -signal.SIGKILL
    finally:
        signal.signal(signal.SIGTERM, previous)
        end()  # its workers too, however it ended
        process.wait()


def run_stage(arguments: argparse.Namespace) -> None:
    """What the process of a stage does."""
    data = None if arguments.rehearse else arguments.data
    device = "cpu" if arguments.rehearse else "cuda"
    options = Options(device, arguments.rehearse, arguments.out, data)
    stage = arguments.stage
    results = Results(arguments.out, stage, seconds=arguments.seconds, rehearsal=arguments.rehearse)
    if stage == "tune":  # from what ships
        STAGES[stage].run(results, options)
        return
    with tuned(arguments.out, rehearsal=arguments.rehearse):
        STAGES[stage].run(results, options)


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu",
        description=benchmarks.gpu.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--minutes", type=float, default=8.0, help="for all stages together")
    add("--out", type=Path, help="folder for the results, a file a stage and summary.md")
    add("--only", nargs="+", choices=list(STAGES), default=list(STAGES), metavar="STAGE")
    add("--data", type=Path, help="folder of CIFAR-10; synthetic images unless given")
    add("--rehearse", action="store_true", help="on the CPU, at tiny sizes")
    add("--apply", type=Path, metavar="DIR", help="put the results of a run where they belong")
    add("--stage", choices=list(STAGES), help=argparse.SUPPRESS)
    add("--seconds", type=float, default=60.0, help=argparse.SUPPRESS)
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
