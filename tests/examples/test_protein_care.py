"""The protein example, end to end through its command line, on few chains and few steps."""

import json
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

import pytest

METHODS = ["care", "simclr", "uniformity", "invariance"]


# A few chains are fewer than the dimensions of the embedding.
pytestmark = pytest.mark.filterwarnings("ignore::equiform.metrics.TrivialFitWarning")


@pytest.fixture(scope="module")
def script(load_example) -> ModuleType:
    return load_example("protein_care")


@pytest.fixture
def run(script: ModuleType, chains: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
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
        assert 0 <= row["pc1_angle_deg_median"] <= 90
        assert row["effective_rank"] > 2
    assert record["seed"] == 3
    assert record["data"].endswith("chains0")
    assert record["configuration"]["epochs"] == 2
    assert record["versions"]["torch"] == version("torch")
    for figure in ("trajectories.png", "pc1_error.png"):
        assert (tmp_path / "out" / figure).read_bytes().startswith(b"\x89PNG")
    table = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in table[2:6]] == METHODS


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
    assert "epochs must be at least 1, got 0" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        run("--methods", "byol")
    assert "invalid choice: 'byol' (choose from" in capsys.readouterr().err


def test_resuming_with_other_settings_is_refused(run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--methods", "invariance", "--epochs", "1") == 0
    assert run("--methods", "invariance", "--epochs", "1", "--resume", dim=8) == 2
    assert "dim: 16 there, 8 here" in capsys.readouterr().err
