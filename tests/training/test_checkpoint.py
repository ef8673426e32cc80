import hashlib
import io
from collections import Counter, OrderedDict, UserDict
from pathlib import Path
from typing import Any

import numpy as np
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
    buffer = io.BytesIO()
    torch.save({"path": Path("x")}, buffer)
    content = buffer.getvalue()
    content = b"equiform checkpoint 1\n" + hashlib.sha256(content).digest() + content
    (tmp_path / "run.pt").write_bytes(content)
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


@pytest.mark.parametrize(
    ("given", "read"),
    [
        (np.float64(0.5), 0.5),
        (np.float32(0.5), 0.5),
        (np.int64(3), 3),
        (np.bool_(True), True),
        (np.str_("a"), "a"),
        ([(np.float64(0.5), None)], [(0.5, None)]),
        ({np.int64(3): {np.int64(1)}}, {3: {1}}),
        (UserDict(a=b"c"), {"a": b"c"}),
        (Counter([np.int64(2)] * 2), Counter({2: 2})),
        (OrderedDict(a=torch.float16), OrderedDict(a=torch.float16)),
    ],
)
def test_what_is_as_good_as_plain_data_is_made_so(tmp_path: Path, given: Any, read: Any) -> None:
    save_checkpoint(tmp_path / "run.pt", {"state": given})
    state = load_checkpoint(tmp_path / "run.pt")["state"]
    assert state == read
    assert type(state) is type(read)


def test_a_module_keeps_the_versions_of_its_parts(tmp_path: Path) -> None:
    state = torch.nn.BatchNorm1d(2).state_dict()
    save_checkpoint(tmp_path / "run.pt", {"module": state})
    assert load_checkpoint(tmp_path / "run.pt")["module"]._metadata == state._metadata  # pyright: ignore


@pytest.mark.parametrize(
    "value", [Path("x"), np.ones(2), np.longdouble(1), io.BytesIO(), frozenset([1]), range(2)]
)
def test_what_could_not_be_read_back_is_refused_by_its_key(path: Path, value: Any) -> None:
    with pytest.raises(TypeError, match=r"^state\['a'\]\[1\]\['b'\] must be plain data, got"):
        save_checkpoint(path, {"a": [0, {"b": value}]})
    assert load_checkpoint(path)["name"] == "care"


@pytest.mark.parametrize("state", [None, [1], torch.ones(2)])
def test_a_state_is_a_dict(tmp_path: Path, state: Any) -> None:
    with pytest.raises(TypeError, match="state must be a dict, got"):
        save_checkpoint(tmp_path / "run.pt", state)
