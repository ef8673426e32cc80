import io
from pathlib import Path

import pytest
import torch

from equiform.training import CheckpointError, load_checkpoint, save_checkpoint


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "new folder" / "run.pt"
    save_checkpoint(path, {"weight": torch.arange(3.0), "losses": [1.0, 0.5], "name": "care"})
    return path


def test_round_trip_leaves_nothing_else_behind(path: Path) -> None:
    state = load_checkpoint(path)
    assert torch.equal(state["weight"], torch.arange(3.0))
    assert (state["losses"], state["name"]) == ([1.0, 0.5], "care")
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("position", [0, 30, 60, -1])
def test_any_changed_byte_is_noticed(path: Path, position: int) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"run\.pt"):
        load_checkpoint(path)


@pytest.mark.parametrize("length", [0, 10, 40, -1])
def test_a_file_cut_short_is_noticed(path: Path, length: int) -> None:
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(CheckpointError):
        load_checkpoint(path)


def test_a_plain_torch_file_is_refused(tmp_path: Path) -> None:
    torch.save({}, tmp_path / "other.pt")
    with pytest.raises(CheckpointError, match="no checkpoint of equiform"):
        load_checkpoint(tmp_path / "other.pt")


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "run.pt", {"stream": io.BytesIO()})
    with pytest.raises(CheckpointError, match="plain data"):
        load_checkpoint(tmp_path / "run.pt")


def test_a_failed_save_keeps_the_old_one(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        save_checkpoint(path, {"name": "new"})
    assert load_checkpoint(path)["name"] == "care"
    assert list(path.parent.iterdir()) == [path]
