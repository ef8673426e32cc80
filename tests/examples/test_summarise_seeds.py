import json
import os
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "examples" / "summarise_seeds.py"
KEYS = [
    "pc1_angle_deg_median",
    "pc1_mse",
    "wahba",
    "wahba_null",
    "gamma_b",
    "effective_rank",
    "uniformity",
]


def write(path: Path, value: float, seed: int, dim: int = 8, **methods: float) -> str:
    rows = {name: dict.fromkeys(KEYS, value) | {"settings": s} for name, s in methods.items()}
    rows["care"] = dict.fromkeys(KEYS, value)
    record = {"methods": rows, "configuration": {"seed": seed, "dim": dim}}
    path.write_text(json.dumps(record), encoding="utf-8")
    return str(path)


def summarise(*paths: str, encoding: str = "utf-8") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), *paths]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONIOENCODING": encoding},
    )


def test_gives_mean_and_spread(tmp_path: Path) -> None:
    done = summarise(write(tmp_path / "0", 1.0, seed=0), write(tmp_path / "1", 3.0, seed=1))
    assert done.returncode == 0
    assert done.stdout.splitlines()[2].startswith("| care | 2 ± 1 | 2 ± 1 |")


def test_headings_say_what_is_better_and_the_best_is_bold(tmp_path: Path) -> None:
    runs = [write(tmp_path / str(seed), 2.0 + seed, seed, dim=16) for seed in (0, 1)]
    for run in map(Path, runs):  # a method with the half of all scores
        record = json.loads(run.read_text(encoding="utf-8"))
        care = record["methods"]["care"]
        record["methods"]["simclr"] = {key: care[key] / 2 for key in KEYS}
        run.write_text(json.dumps(record), encoding="utf-8")
    header, _, *rows = summarise(*runs).stdout.splitlines()
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in (header, *rows)]
    half, whole = "1.25 ± 0.4", "2.5 ± 0.7"
    lower = [whole, f"**{half}**"]
    assert list(zip(*cells, strict=True)) == [
        ("method", "care", "simclr"),
        ("axis error (°) ↓", *lower),
        ("axis MSE ↓", *lower),
        ("W_f ↓", *lower),
        ("W_f null", whole, half),
        ("γ_b ↓", *lower),
        ("effective rank (of 16) ↑", f"**{whole}**", half),
        ("uniformity ↓", *lower),
    ]


def test_image_runs_have_their_columns_and_may_lack_one(tmp_path: Path) -> None:
    runs = []
    for seed in (0, 1):
        record = {"methods": {"simclr": {"probe_top1": 0.4, "knn": 0.3, "wahba": 0.7}}}
        (tmp_path / str(seed)).write_text(json.dumps(record | {"seed": seed}), encoding="utf-8")
        runs.append(str(tmp_path / str(seed)))
    assert summarise(*runs).stdout.startswith("| method | probe ↑ | kNN ↑ | W_f ↓ |\n")


def test_a_terminal_without_the_signs_has_them_spelt(tmp_path: Path) -> None:
    runs = [write(tmp_path / str(seed), 1.0, seed) for seed in (0, 1)]
    done = summarise(*runs, encoding="ascii")
    assert done.returncode == 0
    assert "axis error (deg) v" in done.stdout
    assert "1 +- 0" in done.stdout


def test_help_and_what_cannot_be_read(tmp_path: Path) -> None:
    done = summarise("--help")
    assert (done.returncode, done.stdout[:6]) == (0, "usage:")
    (tmp_path / "0").write_text("not JSON")
    for path in (tmp_path / "0", tmp_path / "1"):
        done = summarise(str(path))
        assert done.returncode == 2
        assert done.stderr.startswith("usage:")
        assert f"error: argument runs: {path}: " in done.stderr
    assert summarise().returncode == 2


def test_refuses_to_mix_configurations(tmp_path: Path) -> None:
    done = summarise(write(tmp_path / "0", 1.0, 0), write(tmp_path / "1", 3.0, 1, dim=16))
    assert done.returncode == 2
    assert "of one configuration" in done.stderr


def test_refuses_runs_of_other_methods_or_settings(tmp_path: Path) -> None:
    first = write(tmp_path / "0", 1.0, 0, simclr=0.5)
    for other in ({}, {"simclr": 0.2}):
        done = summarise(first, write(tmp_path / "1", 3.0, 1, **other))
        assert done.returncode == 2
    assert summarise(first, write(tmp_path / "1", 3.0, 1, simclr=0.5)).returncode == 0
