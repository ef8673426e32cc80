"""The image example, end to end through its command line, on few images and few steps."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import cifar_care as script
from images import data
from images.train import load_run

# So few steps leave little of the dimensions.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    monkeypatch.setattr(data, "NUM_SYNTHETIC", (64, 48))

    def call(*arguments: str) -> int:
        usual = ["--epochs", "1", "--batch-size", "16", "--num-chunks", "4", "--width", "2"]
        return script.main([*usual, "--device", "cpu", "--out", str(tmp_path / "out"), *arguments])

    return call


def test_compares_simclr_and_care(
    run: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--data", "synthetic", "--seed", "2") == 0
    record = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert list(record["methods"]) == ["simclr", "care-simclr"]
    assert (record["dataset"], record["seed"], record["split"]) == ("synthetic", 2, "test")
    for method, scores in record["methods"].items():
        assert {"probe_top1", "knn", "wahba", "wahba_so", "wahba_null", "gamma_b"} <= set(scores)
        assert {"gamma_f", "effective_rank", "uniformity", "seconds"} <= set(scores)
        folder = tmp_path / "out" / method
        assert json.loads((folder / "metrics.json").read_text())["wahba"] == scores["wahba"]
        assert (folder / "log.csv").exists()
        _, settings = load_run(folder)
        assert (settings.method, settings.width, settings.batch_size) == (method, 2, 16)
    table = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in table[2:4]] == ["simclr", "care-simclr"]


def test_methods_manifold_and_flags_reach_the_settings(
    run: Callable[..., int], tmp_path: Path
) -> None:
    flags = ("--manifold", "hyperboloid", "--one-pair-per-batch", "--normalization", "pairs")
    flags += ("--head", "6", "3")
    assert run("--method", "care-moco", "inv+equi", *flags, "--split", "validation") == 0
    for method in ("care-moco", "inv+equi"):
        _, settings = load_run(tmp_path / "out" / method)
        assert (settings.manifold, settings.one_pair) == ("hyperboloid", True)
        assert (settings.normalization, settings.head) == ("pairs", (6, 3))
    record = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert record["split"] == "validation"
    assert "gamma_f" not in record["methods"]["care-moco"]


def test_a_resumed_run_gives_the_same_numbers(run: Callable[..., int], tmp_path: Path) -> None:
    def measured() -> dict[str, float]:
        return json.loads((tmp_path / "out" / "metrics.json").read_text())["methods"]["simclr"]

    assert run("--method", "simclr") == 0
    first = measured()
    assert run("--method", "simclr", "--resume") == 0
    assert measured() == first | {"seconds": measured()["seconds"]}
    assert run("--method", "simclr", "--resume", "--seed", "1") == 2


def test_errors_name_the_remedy(
    run: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--data", str(tmp_path), "--dataset", "cifar10") == 2
    assert "cifar-10-batches-py" in capsys.readouterr().err
    assert run("--method", "byol") == 2
    assert "got 'byol'" in capsys.readouterr().err
    assert run("--num-chunks", "5") == 2
    assert "does not divide into num_chunks=5" in capsys.readouterr().err


def test_help_says_where_paper_and_code_differ(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        script.main(["--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert "one\n  pair for the whole batch" in text
    assert "imagenet100-care-moco" in text.replace("\n", " ")
