"""Break the library on purpose, one line at a time: every mutant must make the tests fail.

    python -m tests.mutants

copies the package and its tests to a temporary folder, applies one mutation at a time and runs the
tests that should notice. It exits with 1 if a mutant survives.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]


class Mutant(NamedTuple):
    """One line of one file, what it is changed to, and the tests that must notice."""

    what: str
    file: str
    old: str
    new: str
    tests: str


MUTANTS = [
    Mutant(
        "a sign flipped in the Minkowski J",
        "equiform/forms/minkowski.py",
        "[-1] + [1] * (d - 1)",
        "[1] + [-1] * (d - 1)",
        "tests/forms tests/properties/test_invariants.py",
    ),
    Mutant(
        "a sign flipped in the symplectic J",
        "equiform/forms/symplectic.py",
        "[-1] * m + [1] * m",
        "[1] * m + [-1] * m",
        "tests/forms tests/properties/test_invariants.py",
    ),
    Mutant(
        "the diagonal mask dropped",
        "equiform/functional/equivariance.py",
        '"exclude_diagonal": normalization == "care"',
        '"exclude_diagonal": False',
        "tests/losses",
    ),
    Mutant(
        "a metric's basis without its lengths",
        "equiform/forms/metric.py",
        "vectors * values.abs().sqrt()",
        "vectors * values.abs()",
        "tests/forms/test_metric.py",
    ),
    Mutant(
        "the gradient of a mean over ranks kept on its own rank",
        "equiform/functional/equivariance.py",
        "sum_over_ranks(total, replicated=False)",
        "sum_over_ranks(total)",
        "tests/distributed/test_gram_difference.py",
    ),
    Mutant(
        "the mean of a chunk not taken off",
        "equiform/functional/equivariance.py",
        "return z - total / ",
        "return z - 0 * total / ",
        "tests/losses/test_scales.py",
    ),
    Mutant(
        "the chunk axis swapped",
        "equiform/functional/equivariance.py",
        "return z1.unflatten(0, (num_chunks, -1)), z2.unflatten(0, (num_chunks, -1))",
        "return [z.unflatten(0, (-1, num_chunks)).transpose(0, 1) for z in (z1, z2)]",
        "tests/losses",
    ),
    Mutant(
        "the factor 2 of the released scale missing",
        "equiform/functional/equivariance.py",
        "else 2 / n)",
        "else 1 / n)",
        "tests/losses",
    ),
    Mutant(
        "transpose instead of conjugate transpose",
        "equiform/forms/_base.py",
        "return m.mH",
        "return m.mT",
        "tests/forms tests/ops",
    ),
    Mutant(
        "the radical's partners left anisotropic",
        "equiform/groups/fit/witt.py",
        "partners = partners - form.gram(partners) @ r / 2",
        "partners = partners - form.gram(partners) @ r",
        "tests/properties/test_fundamental_theorem.py",
    ),
    Mutant(
        "no reflection for the special orthogonal group",
        "equiform/groups/fit/polar.py",
        "if special:",
        "if False:",
        "tests/groups/test_compact.py",
    ),
    Mutant(
        "an arbitrary completion of a singular fit",
        "equiform/groups/fit/polar.py",
        "if open_.any():",
        "if False:",
        "tests/groups/test_compact.py",
    ),
    Mutant(
        "descent stays in the component of its start",
        "equiform/groups/noncompact.py",
        "for _ in range(2 if self._free else 0):",
        "for _ in range(0):",
        "tests/groups/test_recover.py",
    ),
    Mutant(
        "a joint group of the conjugate form",
        "equiform/groups/joint.py",
        'device="cpu").conj()',
        'device="cpu")',
        "tests/groups/test_groups.py",
    ),
    Mutant(
        "rounding of a part measured by the part itself",
        "equiform/groups/moments.py",
        "return cls(*map(torch.maximum, least, cls.of(own, condition)))",
        "return cls.of(own, condition)",
        "tests/groups/test_identifiable.py",
    ),
    Mutant(
        "a second derivative lost where Gram matrices agree",
        "equiform/_points.py",
        "else z.square()",
        "else z.abs().square()",
        "tests/ops/test_gram_difference.py",
    ),
    Mutant(
        "the curvature of the residual left out of the derivative",
        "equiform/groups/fit/descent.py",
        "self.c @ xi + curved / 2",
        "self.c @ xi",
        "tests/groups/test_recover.py",
    ),
    Mutant(
        "the hyperboloid's fit without its time axis",
        "equiform/groups/orthochronous.py",
        "d = torch.cat([-time[..., None], s], dim=-1)",
        "d = torch.cat([time[..., None], s], dim=-1)",
        "tests/groups/test_orthochronous.py",
    ),
    Mutant(
        "the orientation term wherever the determinant is positive",
        "equiform/functional/orientation.py",
        "sign < 0",
        "sign > 0",
        "tests/losses/test_orientation.py",
    ),
    Mutant(
        "composition in the wrong order",
        "equiform/functional/wahba.py",
        "t_second @ t)",
        "t @ t_second)",
        "tests/metrics/test_composition.py",
    ),
    Mutant(
        "the same bootstrap counts for all rows",
        "equiform/functional/bootstrap.py",
        "manual_seed(block)",
        "manual_seed(0)",
        "tests/metrics/test_bootstrap.py",
    ),
    Mutant(
        "a learned map that does not start at the identity",
        "equiform/steering/learned.py",
        " - self.network(theta.new_zeros(1, self.num_parameters))[0]",
        "",
        "tests/steering/test_learned.py",
    ),
    Mutant(
        "decay of the new batch instead of the old ones",
        "equiform/steering/streaming.py",
        "* self.decay + batch",
        "+ batch * self.decay",
        "tests/steering/test_streaming.py",
    ),
    Mutant(
        "a transformation shared across chunks",
        "equiform/augment/views.py",
        "parameters.repeat(whole // num_chunks)",
        "parameters.repeat(whole // num_chunks)[torch.arange(whole).roll(1)]",
        "tests/augment",
    ),
    Mutant(
        "each process takes the transformations of the first",
        "equiform/augment/views.py",
        "[rank * n : (rank + 1) * n]",
        "[:n]",
        "tests/augment",
    ),
    Mutant(
        "writers of one file share the unfinished one",
        "equiform/_files.py",
        "secrets.token_hex(8)",
        "'unfinished'",
        "tests/test_files.py",
    ),
    Mutant(
        "an unfinished file left behind",
        "equiform/_files.py",
        "unfinished.unlink(missing_ok=True)",
        "pass",
        "tests/test_files.py",
    ),
    Mutant(
        "a chain scaled by its mean instead of its root-mean-square distance",
        "equiform/data/proteins.py",
        "centred.square().sum(dim=1).mean().sqrt()",
        "centred.square().sum(dim=1).sqrt().mean()",
        "tests/data/test_proteins.py",
    ),
    Mutant(
        "a probe that penalises nothing",
        "equiform/probes/ridge.py",
        "moment.diagonal().add_(penalty)",
        "moment.diagonal().add_(0)",
        "tests/probes",
    ),
    Mutant(
        "a distance of NaN made zero",
        "equiform/manifolds/_hyperboloid_math.py",
        "zero = q <= 0",
        "zero = ~(q > 0)",
        "tests/manifolds/test_arguments.py",
    ),
    Mutant(
        "a report that lets T leave the manifold",
        "equiform/audit/measure.py",
        "manifold.isometry_group(empty.dim)",
        "manifold.form.isometry_group(empty.dim)",
        "tests/audit/test_report.py",
    ),
    Mutant(
        "lengths of a report taken in coordinates that are not the form's",
        "equiform/audit/statistics.py",
        "wahba_terms(source, targets, self._matrices, None, self._form)",
        "wahba_terms(source, targets, self._matrices, None, None)",
        "tests/audit/test_report.py",
    ),
]


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
    survivors = []
    for mutant in MUTANTS:
        with tempfile.TemporaryDirectory() as folder:
            survived = survives(mutant, Path(folder))
        print(f"{'SURVIVED' if survived else 'killed  '}  {mutant.what}", flush=True)
        survivors += [mutant.what] if survived else []
    print(f"{len(MUTANTS) - len(survivors)} of {len(MUTANTS)} mutants killed")
    sys.exit(bool(survivors))


if __name__ == "__main__":
    main()
