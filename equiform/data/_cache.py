"""A folder of arrays that several processes build once between them and share.

A cache file is the SHA-256 of its payload followed by the payload, an .npz archive that is read
with ``allow_pickle=False``: a file that is damaged, cut short or holds a pickle is built again, and
no byte of it is ever executed.
"""

from __future__ import annotations

import hashlib
import io
import logging
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

_log = logging.getLogger(__name__)

Arrays = Mapping[str, NDArray[Any]]


def cached_arrays(folder: str | os.PathLike[str], key: str, build: Callable[[], Arrays]) -> Arrays:
    """Arrays of a cache file, built first if it is absent or damaged.

    Processes that ask for the same key at once wait for the first of them; one builds.

    Args:
        folder: where cache files lie; created if absent.
        key: file name, less suffix; must change with whatever the arrays depend on.
        build: makes the arrays; none may have dtype object.

    Returns:
        The arrays by name.

    Raises:
        ValueError: an array of `build` has dtype object.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{key}.cache"
    with FileLock(folder / f"{key}.lock"):
        if file.exists():
            try:
                return _decode(file.read_bytes())
            except Exception as error:  # whatever numpy and zipfile make of a damaged file
                _log.warning("cache file %s is damaged (%s); building it again", file, error)
        arrays = build()
        write_atomically(file, _encode(arrays))
        return arrays


def write_atomically(file: Path, data: bytes) -> None:
    """Write a file such that a reader sees all of it or none, even after a crash.

    Args:
        file: where to; its folder must exist.
        data: content.
    """
    handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, file)
    except BaseException:
        os.unlink(temporary)
        raise


def _encode(arrays: Arrays) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    payload = buffer.getvalue()
    return hashlib.sha256(payload).digest() + payload


def _decode(data: bytes) -> Arrays:
    size = hashlib.sha256().digest_size
    if hashlib.sha256(data[size:]).digest() != data[:size]:
        raise ValueError("checksum does not match")
    with np.load(io.BytesIO(data[size:]), allow_pickle=False) as arrays:
        return dict(arrays)
