"""Download structures from the RCSB Protein Data Bank into a folder, once each."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import time
from collections.abc import Iterable, Iterator
from importlib import resources
from pathlib import Path
from typing import Literal

from equiform._extras import require
from equiform._files import write_bytes, write_text
from equiform.data.archive import ReadLimits, StructureFormatError, gunzip

require("requests", extra="proteins")
import requests  # noqa: E402
from filelock import FileLock  # noqa: E402

from equiform.data._download import CHUNK, DownloadError, get, secure_session  # noqa: E402

_log = logging.getLogger(__name__)

RCSB_URL = "https://files.rcsb.org/download"
_ENTRY_ID = re.compile(r"[1-9][A-Za-z0-9]{3}|pdb_[0-9]{4}[1-9][A-Za-z0-9]{3}")
_BODY_ATTEMPTS = 3


def entry_ids() -> tuple[str, ...]:
    """Some 300 PDB entries of mutually dissimilar sequence, to download for a first data set."""
    text = resources.files("equiform.data").joinpath("rcsb_entries.txt").read_text("ascii")
    return tuple(line for line in text.split("\n") if line and not line.startswith("#"))


def download_entries(
    ids: Iterable[str],
    folder: str | os.PathLike[str],
    *,
    base_url: str = RCSB_URL,
    requests_per_second: float = 3.0,
    on_error: Literal["skip", "raise"] = "skip",
    limits: ReadLimits | None = None,
) -> list[Path]:
    """Download PDB entries as ``<ID>.cif.gz``; those that are there already are only verified.

    An interrupted call resumes where it stopped. The SHA-256 of each file is recorded beside it
    when it is first downloaded; a file that no longer matches is downloaded again, with a warning.
    Answers that ask to wait (429, 503, Retry-After) and passing faults are retried.

    Args:
        ids: PDB entry ids, such as "1CRN"; case and repetition do not matter.
        folder: where to; created if absent. `ProteinDataset.from_path` reads it.
        base_url: https, always verified; http for a loopback address only.
        requests_per_second: upper bound, to be polite.
        on_error: whether an entry that the server does not have is logged and skipped, or raised
            for.
        limits: how much an entry may take, unpacked.

    Returns:
        The files, sorted by name. A server that cannot be reached raises DownloadError, with
        ``on_error="raise"`` also the first entry that cannot be had.
    """
    if on_error not in ("skip", "raise"):
        raise ValueError(f'on_error must be "skip" or "raise", got {on_error!r}')
    if requests_per_second <= 0:
        raise ValueError(f"requests_per_second must be positive, got {requests_per_second}")
    wanted = sorted({_checked_id(entry) for entry in ids})
    folder, files = Path(folder), []
    folder.mkdir(parents=True, exist_ok=True)
    pace, limit = _paced(requests_per_second), (limits or ReadLimits()).member_bytes
    with secure_session(base_url, argument="base_url") as session:
        for entry in wanted:
            file = folder / f"{entry}.cif.gz"
            try:
                with FileLock(folder / f".{entry}.lock"):
                    if not _verified(file):
                        url = f"{base_url.rstrip('/')}/{file.name}"
                        data = _fetch(session, url, pace, limit)
                        write_bytes(file, data)
                        # Last: a file without a digest is one whose download did not finish.
                        write_text(_digest_file(file), hashlib.sha256(data).hexdigest())
                files.append(file)
            except _EntryError as error:
                if on_error == "raise":
                    raise
                _log.warning("skipped %s", error)
    if len(files) < len(wanted):
        _log.warning("%d of %d entries could not be had", len(wanted) - len(files), len(wanted))
    return files


class _EntryError(DownloadError):
    """One entry is not to be had; others of the same server may be."""


def _paced(per_second: float) -> Iterator[None]:
    """Yields without end, at most so often a second."""
    while True:
        next_start = time.monotonic() + 1 / per_second
        yield
        time.sleep(max(0.0, next_start - time.monotonic()))


def _fetch(session: requests.Session, url: str, pace: Iterator[None], limit: int) -> bytes:
    """The whole, intact gzip file; a body that breaks off or is damaged is fetched again."""
    name, failure = url.rpartition("/")[2], None
    for _ in zip(range(_BODY_ATTEMPTS), pace, strict=False):
        data = bytearray()
        try:
            with get(session, url) as response:
                if response.status_code != requests.codes.ok:
                    raise _EntryError(f"{name}: {response.status_code} {response.reason}")
                for chunk in response.iter_content(CHUNK):
                    data += chunk
                    if len(data) > limit:
                        raise _EntryError(f"{name}: more than {limit} bytes")
            content = bytes(data)
            if gunzip(name, content, limit=limit) is not content:
                return content
            raise StructureFormatError(f"{name}: the server's answer is not a gzip file")
        except (requests.RequestException, StructureFormatError) as error:
            failure = error
    raise _EntryError(f"{name}: damaged in {_BODY_ATTEMPTS} attempts ({failure})") from failure


def _checked_id(entry: str) -> str:
    # Ids become file names and URLs: nothing but an id may pass.
    if not _ENTRY_ID.fullmatch(entry):
        raise ValueError(f'ids must be like "1CRN" or "pdb_00001crn", got {entry!r}')
    return entry.lower() if entry.startswith("pdb_") else entry.upper()


def _digest_file(file: Path) -> Path:
    return file.with_name(f"{file.name}.sha256")


def _verified(file: Path) -> bool:
    try:
        recorded = _digest_file(file).read_text("ascii").strip()
        actual = hashlib.sha256(file.read_bytes()).hexdigest()
    except (FileNotFoundError, UnicodeDecodeError):
        return False
    if actual != recorded:
        _log.warning("%s does not match its recorded SHA-256: downloading it again", file)
    return actual == recorded
