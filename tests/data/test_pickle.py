"""Pickles of image data give the same arrays whoever wrote them, and run nothing."""

import builtins
import os
import pickle
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from equiform.data import ImageFormatError
from equiform.data._pickle import _STAND_INS, read_pickled_dict

ARRAY = np.arange(12, dtype=np.uint8).reshape(3, 4)
BATCH = {"data": ARRAY, "labels": [0, 1, 2], "names": ["a", "b"]}


def python2_pickle(value: object) -> bytes:
    """Protocol 2 as Python 2 wrote it: strings of bytes, and the module names of numpy 1."""
    return b"\x80\x02" + _python2(value) + b"."


def _python2(value: object) -> bytes:
    if isinstance(value, str):
        return b"T" + struct.pack("<i", len(value)) + value.encode("latin1")
    if isinstance(value, int):
        return b"J" + struct.pack("<i", value)
    if isinstance(value, list):
        return b"](" + b"".join(map(_python2, value)) + b"e"
    if isinstance(value, dict):
        return b"}(" + b"".join(_python2(key) + _python2(value[key]) for key in value) + b"u"
    assert isinstance(value, np.ndarray)
    made = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85U\x01btR"
    dtype = b"cnumpy\ndtype\n(U\x02u1K\x00K\x01tR(K\x03U\x01|NNNJ"
    dtype += b"\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    shape = b"(" + b"".join(map(_python2, value.shape)) + b"t"
    return (
        made
        + b"(K\x01"
        + shape
        + dtype
        + b"\x89"
        + _python2(value.tobytes().decode("latin1"))
        + b"tb"
    )


def read(data: bytes) -> dict:
    return read_pickled_dict(data, name="batch")


def assert_same(found: dict, expected: dict) -> None:
    assert found.keys() == expected.keys()
    np.testing.assert_array_equal(found["data"], expected["data"])
    assert all(found[key] == expected[key] for key in expected if key != "data")


arrays = hnp.arrays(np.uint8, hnp.array_shapes(max_dims=3, max_side=5))


@given(array=arrays, order=st.sampled_from("CF"), protocol=st.integers(2, 5), old=st.booleans())
def test_python_3(array, order, protocol, old):
    batch = {**BATCH, "data": np.asarray(array, order=order)}
    data = pickle.dumps(batch, protocol=protocol)
    if old and protocol < 4:  # later ones write the length of the name before it
        data = data.replace(b"numpy._core.", b"numpy.core.")
    assert_same(read(data), batch)


@given(array=arrays)
def test_python_2(array):
    batch = {**BATCH, "data": array}
    assert_same(read(python2_pickle(batch)), batch)


def test_the_python_2_of_this_test_is_read_by_pickle_itself():
    data = python2_pickle(BATCH)
    assert_same(pickle.loads(data, encoding="latin1"), BATCH)


def test_keys_of_bytes():
    data = pickle.dumps({key.encode(): value for key, value in BATCH.items()})
    assert_same(read(data), BATCH)


class Call:
    """Pickles as a call."""

    def __init__(self, function, *args) -> None:
        self.call = function, args

    def __reduce__(self):
        return self.call


def malicious(trap: Path) -> list[object]:
    write = f"open({str(trap)!r}, 'w')"
    made = Call(os.mkdir, str(trap))
    return [
        made,
        Call(os.system, f"mkdir {trap}"),
        Call(builtins.eval, write),
        Call(builtins.exec, write),
        Call(builtins.__import__, "os"),
        Call(subprocess.Popen, ["mkdir", str(trap)]),
        Call(np.save, str(trap), 0),
        Call(np.dtype, made),
        [[{"deep": (made,)}]],
        np.array([made], dtype=object),
    ]


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("case", range(10))
@pytest.mark.parametrize("wrap", [lambda x: x, lambda x: {**BATCH, "x": x}], ids=["bare", "in"])
def test_nothing_is_executed(tmp_path, protocol, case, wrap):
    trap = tmp_path / "trap"
    data = pickle.dumps(wrap(malicious(trap)[case]), protocol=protocol)
    with pytest.raises(ImageFormatError, match=r"batch: not a pickle of plain arrays"):
        read(data)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "program",
    [
        b"cos\nsystem\n(S'true'\ntR.",
        b"(S'true'\nios\nsystem\n.",
        b"(cos\nsystem\nS'true'\no.",
        b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x04true\x85R.",
        b"\x80\x04\x8c\x08builtins\x8c\x0dobject.__new__\x93.",
        b"cnumpy\ndtype.__call__.__globals__\n.",
        b"\x82\x01.",  # extension registry
        b"Pid\n.",  # persistent object
    ],
)
def test_every_way_to_name_a_function(program):
    with pytest.raises(ImageFormatError):
        read(program)


@pytest.mark.parametrize("name", [b"numpy\ndtype", b"numpy.core.multiarray\n_reconstruct"])
@pytest.mark.parametrize("state", [b"}S'__call__'\nK\x01s", b"N}S'__call__'\nK\x01s\x86"])
def test_a_pickle_cannot_change_the_reader(name, state):
    with pytest.raises(ImageFormatError):
        read(b"c" + name + b"\n" + state + b"b.")
    assert not any(hasattr(stand_in, "__dict__") for stand_in in _STAND_INS.values())
    assert_same(read(python2_pickle(BATCH)), BATCH)


@pytest.mark.parametrize("dtype", ["int8", "uint16", "float32", "object", "U1"])
def test_other_dtypes(dtype):
    with pytest.raises(ImageFormatError, match=r"uint8|without bytes"):
        read(pickle.dumps({"data": np.zeros(3, dtype=dtype)}, protocol=2))


def test_a_shape_that_does_not_match():
    data = pickle.dumps({"data": ARRAY}, protocol=2)
    assert data.count(b"K\x03K\x04\x86") == 1
    with pytest.raises(ImageFormatError, match="reshape"):
        read(data.replace(b"K\x03K\x04\x86", b"K\x03K\x05\x86"))


@pytest.mark.parametrize(
    "put", [b"r\xff\xff\xff\xff", b"p4294967295\n"], ids=["LONG_BINPUT", "PUT"]
)
def test_a_few_bytes_cannot_ask_for_much_memory(put):
    with pytest.raises(ImageFormatError, match="object 4294967295 of at most 2"):
        read(b"}" + put + b".")


@pytest.mark.parametrize("value", [[], 1, "x", None, ARRAY])
def test_not_a_dict(value):
    with pytest.raises(ImageFormatError, match="a dict was expected"):
        read(pickle.dumps(value))


WHOLE = [python2_pickle(BATCH), *(pickle.dumps(BATCH, protocol=p) for p in range(2, 6))]


@given(data=st.sampled_from(WHOLE), fraction=st.floats(0, 0.9999))
def test_cut_short(data, fraction):
    with pytest.raises(ImageFormatError, match="batch"):
        read(data[: int(fraction * len(data))])


@given(data=st.sampled_from(WHOLE), at=st.floats(0, 0.9999), byte=st.integers(0, 255))
def test_damage_is_reported_or_harmless(data, at, byte):
    at = int(at * len(data))
    try:
        found = read(data[:at] + bytes([byte]) + data[at + 1 :])
    except ImageFormatError:
        return
    assert isinstance(found, dict)
