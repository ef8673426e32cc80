"""The protein example, end to end through its command line, on few chains and few steps."""

import io
import json
import re
import sys
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pytest

import protein_care as script

METHODS = ["care", "simclr", "uniformity", "invariance"]
HEADER = [
    "method",
    "axis error (°) ↓",
    "axis MSE ↓",
    "W_f ↓",
    "W_f null",
    "γ_b ↓",
    "effective rank (of 16) ↑",
    "uniformity ↓",
    "seconds",
]


# A few chains are fewer than the dimensions of the embedding.
pytestmark = pytest.mark.filterwarnings("ignore::equiform.metrics.TrivialFitWarning")


@pytest.fixture
def run(chains: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(script, "CACHE", tmp_path / "cache")
    # In so few steps the running statistics of the whitening keep up with slow training only.
    small = replace(script.Settings(), hidden=16, batch_size=16, num_chunks=2, learning_rate=1e-5)

    def call(*arguments: str, **settings: float) -> int:
        usual = ["--data", str(chains), "--epochs", "2", "--out", str(tmp_path / "out")]
        return script.main([*usual, *arguments], replace(small, **settings))

    return call


def test_writes_what_it_promises(run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--seed", "3") == 0
    record = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert list(record["methods"]) == METHODS
    for row in record["methods"].values():
        keys = {"pc1_angle_deg_median", "pc1_mse", "wahba", "gamma_b", "uniformity"}
        assert keys | {"effective_rank", "seconds", "wahba_null"} <= set(row)
        low, high = row["pc1_angle_deg_low"], row["pc1_angle_deg_high"]
        assert 0 <= low <= row["pc1_angle_deg_median"] <= high <= 90
        assert row["effective_rank"] > 2
    assert record["seed"] == 3
    assert record["data"].endswith("chains0")
    assert record["configuration"]["epochs"] == 2
    assert record["versions"]["torch"] == version("torch")
    for figure in ("trajectories", "pc1_error"):
        assert (tmp_path / "out" / f"{figure}.png").read_bytes().startswith(b"\x89PNG")
        assert b"<svg" in (tmp_path / "out" / f"{figure}.svg").read_bytes()
    captured = capsys.readouterr()
    header, _, *rows = captured.out.splitlines()[:6]
    assert [row.split()[0] for row in rows] == METHODS
    assert re.split("  +", header) == HEADER
    train, test = record["chains"]["train"], record["chains"]["test"]
    assert f"Measured on {test} test chains" in captured.out
    assert [line.partition(":")[0] for line in captured.err.splitlines()] == [
        "reading chains",
        f"{train} chains to train on, {test} to measure on",
        *(method for method in METHODS for _ in range(3)),
        "drawing",
    ]


def test_the_table_marks_the_best_and_explains_every_column() -> None:
    def scores(error: float, rank: float) -> dict[str, float]:
        return dict.fromkeys(script.COLUMNS, 0.5) | {
            "pc1_angle_deg_median": error,
            "effective_rank": rank,
        }

    record = {
        # 0.1234 and 0.1233 look the same.
        "methods": {"a": scores(0.1234, 9), "b": scores(0.1233, 15), "c": scores(0.2, 14)},
        "configuration": {"dim": 16},
        "chains": {"train": 70, "validation": 15},
        "data": "synthetic",
        "seed": 3,
    }
    header, _, *rows = script.table(record).partition("\n\n")[0].splitlines()
    assert re.split("  +", header) == HEADER
    assert [row.split() for row in rows] == [
        ["a", "0.123*", "0.5*", "0.5*", "0.5", "0.5*", "9", "0.5*", "0.5"],
        ["b", "0.123*", "0.5*", "0.5*", "0.5", "0.5*", "15*", "0.5*", "0.5"],
        ["c", "0.2", "0.5*", "0.5*", "0.5", "0.5*", "14", "0.5*", "0.5"],
    ]
    for key in script.COLUMNS:
        name = script.heading(key).split(" (")[0].rstrip(" ↓↑")
        assert re.search(f"^{name}  +", script.LEGEND, re.MULTILINE), name
    assert max(map(len, script.LEGEND.splitlines())) <= 100
    assert "15 validation chains" in script.table(record)


def test_a_stream_that_lacks_the_signs_does_not_lose_the_table(
    run, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = io.TextIOWrapper(written := io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    assert run("--methods", "invariance", "--epochs", "1") == 0
    stream.flush()
    assert b"axis error (deg) v" in written.getvalue()


def test_a_resumed_comparison_gives_the_same_numbers(run, tmp_path: Path) -> None:
    def measured() -> dict[str, float]:
        return json.loads((tmp_path / "out" / "metrics.json").read_text())["methods"]["care"]

    assert run("--methods", "care") == 0
    first = measured()
    assert run("--methods", "care", "--resume") == 0
    assert {**measured(), "seconds": 0} == {**first, "seconds": 0}


def test_errors_name_the_remedy(run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--data", str(tmp_path / "absent.tar.xz")) == 2
    assert "absent.tar.xz' does not exist" in capsys.readouterr().err
    assert run("--epochs", "0") == 2
    assert "epochs must be at least 1, got epochs=0" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        run("--methods", "byol")
    assert "invalid choice: 'byol' (choose from" in capsys.readouterr().err


def test_resuming_with_other_settings_is_refused(run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--methods", "invariance", "--epochs", "1") == 0
    assert run("--methods", "invariance", "--epochs", "1", "--resume", dim=8) == 2
    assert "dim: 16 there, 8 here" in capsys.readouterr().err
