"""The command that runs the tests along other code paths is itself no path that is always green."""

import subprocess
import sys
from pathlib import Path

from tests.portable import PATHS, ROOT, CodePath, Probe, run, why_not

PLANTED = """
import os

def test_of_any_path():
    pass

def test_of_one_thread():
    assert os.environ["OMP_NUM_THREADS"] == "1"
"""


def test_names_are_unique() -> None:
    assert len({path.name for path in PATHS}) == len(PATHS)


def test_a_path_that_fails_is_named_with_its_tests(tmp_path: Path) -> None:
    planted = tmp_path / "test_planted.py"
    planted.write_text(PLANTED)
    command = [sys.executable, "-m", "tests.portable", "--only", "native", "two-threads"]
    result = subprocess.run(
        [*command, "--", "-n", "0", str(planted)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1, result.stderr
    table = result.stdout[result.stdout.rindex("\nnative ") :].splitlines()[1:]
    native, two_threads, *failures = table
    assert native.split()[:4] == ["native", "passed", "2", "passed"]
    assert two_threads.split()[:6] == ["two-threads", "FAILED", "1", "passed", "1", "failed"]
    assert len(failures) == 1
    assert failures[0].startswith("two-threads: ")
    assert failures[0].endswith("::test_of_one_thread")


def test_a_path_that_the_machine_does_not_have_is_not_run() -> None:
    path = CodePath("abacus", {"ATEN_CPU_CAPABILITY": "abacus"}, "ATen", "ABACUS")
    outcome = run(path, Probe({"ATen": "AVX2"}, {}), ["no-such-test.py"])
    assert outcome.status is None
    assert "cannot be forced here: with ATEN_CPU_CAPABILITY=abacus ATen is " in str(outcome)


def test_a_path_that_is_taken_unforced_is_not_run() -> None:
    path = CodePath("abacus", {"ATEN_CPU_CAPABILITY": "abacus"}, "ATen", "ABACUS")
    native = Probe({"ATen": "ABACUS"}, {})
    assert why_not(path, native, native) == "as native: ATen is ABACUS unforced"
