"""A file is written whole or not at all, by one writer or by several."""

import json
import os
import stat
from pathlib import Path
from threading import Barrier, Thread

import pytest

from equiform._files import write_bytes, write_json, write_text


def test_the_folder_is_made_and_the_old_file_replaced(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "file"
    for data in (b"a longer one", b"", bytes(range(256))):
        write_bytes(path, data)
        assert path.read_bytes() == data
    write_text(path, "λ\n\r\n")
    assert path.read_bytes() == b"\xce\xbb\n\r\n"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("step", ["write", "fsync", "replace"])
def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError("no space left on device")

    path = tmp_path / "file"
    write_bytes(path, b"old")
    if step != "write":
        monkeypatch.setattr(os, step, full)
    with pytest.raises((OSError, TypeError)):
        write_bytes(path, "text" if step == "write" else b"new")  # pyright: ignore[reportArgumentType]
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_writers_at_once_each_write_a_whole_file(tmp_path: Path) -> None:
    path, barrier = tmp_path / "file", Barrier(4)
    contents = [bytes([i]) * 200_000 for i in range(4)]
    failures = []

    def write(content: bytes) -> None:
        barrier.wait()
        try:
            for _ in range(10):
                write_bytes(path, content)
                assert path.read_bytes() in contents
        except BaseException as error:
            failures.append(error)

    threads = [Thread(target=write, args=(content,)) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.name != "posix", reason="needs permissions")
def test_others_may_read_it_where_they_may_read_any_file(tmp_path: Path) -> None:
    write_bytes(tmp_path / "ours", b"")
    (tmp_path / "any").touch()
    ours, usual = (stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("ours", "any"))
    assert ours == usual


def test_a_name_may_be_as_long_as_the_file_system_lets_it(tmp_path: Path) -> None:
    path = tmp_path / ("n" * os.pathconf(tmp_path, "PC_NAME_MAX"))
    write_bytes(path, b"x")
    assert path.read_bytes() == b"x"


def test_json_holds_finite_numbers_and_text_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    write_json(path, {"W": 0.25, "name": "λ"})
    assert json.loads(path.read_text("utf-8")) == {"W": 0.25, "name": "λ"}
    assert "λ" in path.read_text("utf-8")
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, {"W": float("nan")})
    assert json.loads(path.read_text("utf-8"))["W"] == 0.25
