import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "examples" / "summarise_seeds.py"
KEYS = ["pc1_angle_deg_median", "pc1_mse", "wahba", "gamma_b", "effective_rank", "uniformity"]


def write(path: Path, value: float, seed: int, dim: int = 8, **methods: float) -> str:
    rows = {name: dict.fromkeys(KEYS, value) | {"settings": s} for name, s in methods.items()}
    rows["care"] = dict.fromkeys(KEYS, value)
    record = {"methods": rows, "configuration": {"seed": seed, "dim": dim}}
    path.write_text(json.dumps(record), encoding="utf-8")
    return str(path)


def summarise(*paths: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-X", "utf8", str(SCRIPT), *paths]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8")


def test_gives_mean_and_spread(tmp_path: Path) -> None:
    done = summarise(write(tmp_path / "0", 1.0, seed=0), write(tmp_path / "1", 3.0, seed=1))
    assert done.returncode == 0
    assert done.stdout.splitlines()[2].startswith("| care | 2 ± 1 | 2 ± 1 |")


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
