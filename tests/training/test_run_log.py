"""Logs of a run."""

from pathlib import Path

import pytest

from equiform.training import TensorBoardLog, write_csv


def test_csv_is_written_whole(tmp_path: Path) -> None:
    write_csv(tmp_path / "a" / "log.csv", [{"epoch": 1, "loss": 0.5}, {"epoch": 2, "knn": 0.1}])
    assert (tmp_path / "a" / "log.csv").read_text() == "epoch,loss,knn\n1,0.5,\n2,,0.1\n"
    assert [file.name for file in (tmp_path / "a").iterdir()] == ["log.csv"]


def test_tensorboard_shows_each_epoch_once_after_resumption(tmp_path: Path) -> None:
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    first = [{"epoch": i, "loss": float(i)} for i in range(1, 4)]
    log = TensorBoardLog(tmp_path)
    for n in (1, 2, 3):
        log(first[:n])
    again = TensorBoardLog(tmp_path)  # resumed after epoch 2
    again([*first[:2], {"epoch": 3, "loss": 30.0}])
    events = reader.EventAccumulator(str(tmp_path))
    events.Reload()
    assert [(e.step, e.value) for e in events.Scalars("loss")] == [(1, 1.0), (2, 2.0), (3, 30.0)]


def test_rows_and_folders_of_another_kind_are_refused(tmp_path: Path) -> None:
    for rows in (None, "abc", {"loss": 1.0}, [1.0]):
        with pytest.raises(TypeError, match="rows must be a list of dicts, got"):
            write_csv(tmp_path / "log.csv", rows)  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match="folder must be a path, got 3"):
        TensorBoardLog(3)  # pyright: ignore[reportArgumentType]
