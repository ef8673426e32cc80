"""cached_arrays builds once, survives damage and never unpickles."""

import hashlib
import io
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from equiform.data._cache import cached_arrays

ARRAYS = {"x": np.arange(6.0).reshape(2, 3), "names": np.array(["a", "βb"])}


def cache_file(folder: Path) -> Path:
    cached_arrays(folder, "key", lambda: ARRAYS)
    return folder / "key.cache"


def must_not_build():
    raise AssertionError("built again")


def assert_read(found):
    assert found.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(found[name], array)


def test_built_once(tmp_path):
    assert_read(cached_arrays(tmp_path / "new" / "folder", "key", lambda: ARRAYS))
    assert_read(cached_arrays(tmp_path / "new" / "folder", "key", must_not_build))


@given(st.data())
def test_damage_is_built_again(tmp_path_factory, data):
    file = cache_file(tmp_path_factory.mktemp("cache"))
    whole = file.read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    cut = data.draw(st.booleans())
    file.write_bytes(whole[:at] if cut else whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
    assert_read(cached_arrays(file.parent, "key", lambda: ARRAYS))
    assert file.read_bytes() == whole


class _Malicious:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return os.mkdir, (str(self.target),)


@pytest.mark.parametrize("wrapped", [False, True], ids=["pickle", "npz of objects"])
def test_a_pickle_is_not_executed(tmp_path, wrapped):
    file, trap = cache_file(tmp_path), tmp_path / "trap"
    payload = io.BytesIO()
    if wrapped:
        np.savez(payload, x=np.array([_Malicious(trap)], dtype=object))
    else:
        pickle.dump(_Malicious(trap), payload)
    # With the right checksum, as one who plants a file would see to.
    file.write_bytes(hashlib.sha256(payload.getvalue()).digest() + payload.getvalue())
    assert_read(cached_arrays(tmp_path, "key", lambda: ARRAYS))
    assert not trap.exists()


def test_a_failed_build_leaves_nothing(tmp_path):
    with pytest.raises(ValueError, match="Object arrays"):
        cached_arrays(tmp_path, "key", lambda: {"x": np.array([object()])})
    assert {file.name for file in tmp_path.iterdir()} <= {"key.lock"}
