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
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from equiform._files import write_bytes

_log = logging.getLogger(__name__)

Arrays = Mapping[str, NDArray[Any]]
_DIGEST_BYTES = hashlib.sha256().digest_size


def cached_arrays(folder: str | os.PathLike[str], key: str, build: Callable[[], Arrays]) -> Arrays:
    """Arrays of a cache file, built first if it is absent or damaged.

    Processes that ask for the same key at once wait for the first of them; one builds.

    Args:
        folder: where cache files lie; created if absent.
        key: file name, less suffix; must change with whatever the arrays depend on.
        build: makes the arrays by name; one of dtype object raises ValueError.
    """
    file = Path(folder, f"{key}.cache")
    file.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(file.with_suffix(".lock")):
        if file.exists():
            try:
                data = file.read_bytes()
                digest, payload = data[:_DIGEST_BYTES], data[_DIGEST_BYTES:]
                if hashlib.sha256(payload).digest() != digest:
                    raise ValueError("checksum does not match")
                with np.load(io.BytesIO(payload), allow_pickle=False) as stored:
                    return dict(stored)
            except Exception as error:  # whatever numpy and zipfile make of a damaged file
                _log.warning("cache file %s is damaged (%s); building it again", file, error)
        arrays, buffer = build(), io.BytesIO()
        np.savez(buffer, allow_pickle=False, **arrays)
        payload = buffer.getvalue()
        write_bytes(file, hashlib.sha256(payload).digest() + payload)
        return arrays
