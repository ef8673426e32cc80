"""How every file is written: whole or not at all."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file such that at every moment, even after a crash, it is the old one or the new one.

    Its folder is created if absent.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # A name of its own, as two processes may write the same file at once.
    unfinished = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        with unfinished.open("xb") as stream:
            stream.write(data)
            stream.flush()
            # Without it a crash of the machine may keep the new name and lose the content.
            os.fsync(stream.fileno())
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write text as UTF-8, whole or not at all."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: str | os.PathLike[str], record: Mapping[str, Any]) -> None:
    """Write plain data as JSON; ValueError where a number is not finite, which JSON cannot say."""
    text = json.dumps(record, indent=2, allow_nan=False, ensure_ascii=False)
    write_text(path, text + "\n")
