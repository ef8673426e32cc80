"""Break the library on purpose, one line at a time: every mutant must make the tests fail.

    python -m tests.mutants [WORD …]

copies the package and its tests to a temporary folder, applies one mutation at a time and runs the
tests that should notice; those alone that are described by a word, if any is given. It exits with
1 if a mutant survives.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.mutants import mathematics, reliability
from tests.mutants.mutant import Mutant

ROOT = Path(__file__).parents[2]
MUTANTS = mathematics.MUTANTS + reliability.MUTANTS


def survives(mutant: Mutant, folder: Path) -> bool:
    """Whether the tests pass on a copy of the library with one line changed."""
    for part in ("equiform", "tests"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    path = folder / mutant.file
    text = path.read_text()
    if text.count(mutant.old) != 1:
        raise SystemExit(f"mutant {mutant.what!r}: its line is no longer in {mutant.file}")
    path.write_text(text.replace(mutant.old, mutant.new))
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-x", "-q", *mutant.tests.split()],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder), "CI": "1", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    # 1 is pytest's "tests failed"; anything else but 0 means that they did not run.
    if result.returncode not in (0, 1):
        raise SystemExit(f"mutant {mutant.what!r}: the tests did not run\n{result.stdout}")
    return result.returncode == 0


def main() -> None:
    """Try every mutant and report."""
    words, survivors = sys.argv[1:], []
    mutants = [m for m in MUTANTS if not words or any(word in m.what for word in words)]
    for mutant in mutants:
        with tempfile.TemporaryDirectory() as folder:
            survived = survives(mutant, Path(folder))
        print(f"{'SURVIVED' if survived else 'killed  '}  {mutant.what}", flush=True)
        survivors += [mutant.what] if survived else []
    print(f"{len(mutants) - len(survivors)} of {len(mutants)} mutants killed")
    sys.exit(bool(survivors))


if __name__ == "__main__":
    main()
