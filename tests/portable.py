"""Run the fast tests along code paths that other machines take by themselves.

    python -m tests.portable [--only NAME ...] [-- ARGUMENT OF PYTEST ...]

The last bits of what PyTorch computes depend on the processor, the threads and the BLAS. A path
forces one of them by an environment variable, and a process of its own asks the libraries whether
they took it: one that they did not take is named with the reason, and is not run. Other paths
change what hypothesis draws, or the order of the tests. It exits with 1 if a path failed.
"""

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

ROOT = Path(__file__).parents[1]


class CodePath(NamedTuple):
    """What is forced, which library confirms it by which word, and more arguments for pytest."""

    name: str
    environment: dict[str, str]
    library: str = ""
    word: str = ""
    arguments: tuple[str, ...] = ()


PROPERTIES = ("-m", "hypothesis and not slow")
SHUFFLED = ("-p", "randomly", "--randomly-seed=1", "--randomly-dont-reset-seed")
PATHS = [
    CodePath("native", {}),
    CodePath("aten-default", {"ATEN_CPU_CAPABILITY": "default"}, "ATen", "DEFAULT"),
    CodePath("aten-avx2", {"ATEN_CPU_CAPABILITY": "avx2"}, "ATen", "AVX2"),
    # Two workers of two threads on two cores: a thread that waits must leave the core to others.
    CodePath("two-threads", {"OMP_NUM_THREADS": "2", "OMP_WAIT_POLICY": "PASSIVE"}, "threads", "2"),
    # MKL obeys the first on Intel's processors only, and the second on any.
    CodePath("mkl-avx2", {"MKL_ENABLE_INSTRUCTIONS": "AVX2"}, "MKL", "AVX2"),
    CodePath("mkl-compatible", {"MKL_CBWR": "COMPATIBLE"}, "MKL", "CNR:COMPATIBLE"),
    # Without the units for bfloat16 (AMX, AVX-512 BF16) that the processor may have.
    CodePath("onednn-avx2", {"ONEDNN_MAX_CPU_ISA": "AVX2"}, "oneDNN", "Intel AVX2"),
    CodePath("seed-1", {}, arguments=(*PROPERTIES, "--hypothesis-seed=1")),
    CodePath("seed-2", {}, arguments=(*PROPERTIES, "--hypothesis-seed=2")),
    CodePath("seed-3", {}, arguments=(*PROPERTIES, "--hypothesis-seed=3")),
    CodePath("random-order", {}, arguments=SHUFFLED),
]

# As `make check`, but the draws are the same on every path (where CI is set, hypothesis heeds no
# seed), and nothing is forced beforehand.
PYTEST = ("-c", "pyproject.toml", "-n", "2", "-q", "-m", "not slow", "--hypothesis-seed=0")
UNSET = {"CI"}.union(*(path.environment for path in PATHS))
USUAL = {k: v for k, v in os.environ.items() if k not in UNSET} | {"OMP_NUM_THREADS": "1"}


class Probe(NamedTuple):
    """What each library says that it computes with, and checksums of a few results."""

    says: dict[str, str]
    checksums: dict[str, int]


class Outcome(NamedTuple):
    """How the tests of a path ended; the exit status of pytest is None where they were not run."""

    name: str
    note: str
    status: int | None = None
    passed: int = 0
    skipped: int = 0
    failures: tuple[str, ...] = ()
    seconds: float = 0.0

    def __str__(self) -> str:
        if self.status is None:
            return f"{self.name:15} not run  {self.note}"
        counts = f"{self.passed:5} passed {len(self.failures):4} failed {self.skipped:4} skipped"
        result = "FAILED" if self.status else "passed"
        return f"{self.name:15} {result}  {counts} {self.seconds:5.0f} s  {self.note}"


def checksums() -> None:
    """Print as JSON, on stderr, what torch says and checksums of what each library computes."""
    import torch  # only here: in the process that is asked, and after its environment is set

    says = {
        "torch": torch.__version__,
        "LAPACK": ", ".join(re.findall(r"LAPACK_INFO=(\w+)", torch.__config__.show())),
        "ATen": torch.backends.cpu.get_cpu_capability(),
        "threads": str(torch.get_num_threads()),
    }
    # No random numbers: how they are drawn is itself one of the things that differ.
    x = (torch.arange(90_000) * 7919 % 10_007).float().view(300, 300) / 10_007 - 0.5
    results = {
        "normals": torch.randn(1000, generator=torch.Generator().manual_seed(0)),
        "softmax": x.softmax(1),
        "product": x @ x,
        "Cholesky": torch.linalg.cholesky(x + x.mT + 300 * torch.eye(300)),
        "convolution": torch.nn.functional.conv2d(x[None, None], x[None, None, :9, :9]),
        "bfloat16 product": x.bfloat16() @ x.bfloat16(),
    }
    sums = {k: zlib.crc32(v.contiguous().view(torch.uint8).numpy()) for k, v in results.items()}
    print(json.dumps([says, sums]), file=sys.stderr)


def probe(environment: dict[str, str]) -> Probe:
    """Ask the libraries what they compute with in an environment."""
    result = subprocess.run(
        [sys.executable, "-c", "from tests.portable import checksums; checksums()"],
        cwd=ROOT,
        env=USUAL | environment | {"MKL_VERBOSE": "1", "ONEDNN_VERBOSE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    says, sums = json.loads(result.stderr.splitlines()[-1])
    mkl = r"^MKL_VERBOSE .* architecture (.*), \w+ [\d.]+GHz(?s:.*?)(CNR:\S+)"
    onednn = r"^onednn_verbose.*,cpu,isa:(.*)$"
    for library, pattern in (("MKL", mkl), ("oneDNN", onednn)):
        found = re.search(pattern, result.stdout, re.MULTILINE)
        says[library] = ", ".join(found.groups()) if found else "silent"
    return Probe(says, sums)


def why_not(path: CodePath, native: Probe, here: Probe) -> str | None:
    """The reason not to run the tests on a path that a library has to take, if there is one."""
    if path.word in native.says[path.library]:
        return f"as native: {path.library} is {native.says[path.library]} unforced"
    if path.word not in here.says[path.library]:
        forced = " ".join(f"{k}={v}" for k, v in path.environment.items())
        return f"cannot be forced here: with {forced} {path.library} is {here.says[path.library]}"
    return None


def run(path: CodePath, native: Probe, arguments: list[str]) -> Outcome:
    """Run the tests on a path, if there is one."""
    here = probe(path.environment) if path.environment else native
    note = " ".join(path.arguments) or "nothing forced"
    if path.library:
        if reason := why_not(path, native, here):
            return Outcome(path.name, reason)
        note = f"{path.library} is {here.says[path.library]}"
    if differs := [k for k, v in here.checksums.items() if v != native.checksums[k]]:
        note += f"; other bits than native: {', '.join(differs)}"
    with tempfile.TemporaryDirectory() as folder:
        xml = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", *PYTEST, *path.arguments, f"--junit-xml={xml}"]
        start = time.monotonic()
        status = subprocess.run(
            [*command, *arguments], cwd=ROOT, env=USUAL | path.environment, check=False
        ).returncode
        seconds = time.monotonic() - start
        cases = list(ElementTree.parse(xml).iter("testcase")) if xml.exists() else []
    skipped = sum(case.find("skipped") is not None for case in cases)
    failures = tuple(
        f"{case.get('classname')}::{case.get('name')}"
        for case in cases
        if case.find("failure") is not None or case.find("error") is not None
    )
    passed = len(cases) - skipped - len(failures)
    return Outcome(path.name, note, status, passed, skipped, failures, seconds)


def main() -> None:
    """Run the paths one after another and report."""
    names = [path.name for path in PATHS]
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME")
    parser.add_argument("pytest", nargs="*", help="after --: arguments for pytest")
    args = parser.parse_args()

    native = probe({})
    cpuinfo = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    model = re.search(r"^model name\s*: (.*)$", cpuinfo, re.MULTILINE)
    print(f"{model[1] if model else platform.machine()}, {os.cpu_count()} cores")
    print(*(f"{library}: {said}" for library, said in native.says.items()), sep="\n", flush=True)

    outcomes = []
    for path in PATHS:
        if path.name in args.only:
            print(f"\n{path.name} ...", flush=True)
            outcomes.append(run(path, native, args.pytest))
            print(outcomes[-1], flush=True)

    failures = [f"{outcome.name}: {test}" for outcome in outcomes for test in outcome.failures]
    print("", *outcomes, *failures, sep="\n")
    sys.exit(any(outcome.status for outcome in outcomes))


if __name__ == "__main__":
    main()
