"""Download the archives of image data sets: once each, verified, and resumed where interrupted."""

from __future__ import annotations

import hashlib
import logging
import os
import re
from dataclasses import dataclass
from pathlib import Path

from equiform._extras import require

require("filelock", extra="images")
require("requests", extra="images")
import requests  # noqa: E402
from filelock import FileLock  # noqa: E402

from equiform.data._download import CHUNK, DownloadError, get, secure_session  # noqa: E402

_log = logging.getLogger(__name__)

_ATTEMPTS = 5
_MAX_BYTES = 4 * 2**30


@dataclass(frozen=True)
class RemoteFile:
    """A file of a public server; of a mirror by ``dataclasses.replace(CIFAR10_ARCHIVE, url=…)``.

    Attributes:
        url: https, always verified; http for a loopback address only.
        md5: hexadecimal, as published with the data set. It tells a damaged file from a whole one,
            not an honest server from another: for that there is https.
    """

    url: str
    md5: str

    def __post_init__(self) -> None:
        if not re.fullmatch("[0-9a-f]{32}", self.md5):
            raise ValueError(f"md5 must be 32 hexadecimal digits in lower case, got {self.md5!r}")
        if not re.fullmatch(r"\w[\w.-]*", self.name):
            raise ValueError(f"url must end in a plain file name, got {self.url!r}")

    @property
    def name(self) -> str:
        """The file name, with which the URL ends."""
        return self.url.rpartition("/")[2]


CIFAR10_ARCHIVE = RemoteFile(
    "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
    md5="c32a1d4ab5d03f1284b67883e8d87530",
)
"""CIFAR-10, 162 MB; `load_cifar10` reads it as it is."""

CIFAR100_ARCHIVE = RemoteFile(
    "https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
    md5="03b5dce01913d631647c71ecec9e9cb8",
)
"""CIFAR-100, 161 MB; `load_cifar100` reads it as it is."""

STL10_ARCHIVE = RemoteFile(
    "https://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz",
    md5="91f7769df0f17e558f3565bffb0c7dfb",
)
"""STL-10, 2.6 GB; `load_stl10` reads it as it is."""

_FLOWERS102_URL = "https://www.robots.ox.ac.uk/~vgg/data/flowers/102"
FLOWERS102_FILES = (
    RemoteFile(f"{_FLOWERS102_URL}/102flowers.tgz", md5="52808999861908f626f3c1f4e79d11fa"),
    RemoteFile(f"{_FLOWERS102_URL}/imagelabels.mat", md5="e0620be6f572b9609742df49c70aed4d"),
    RemoteFile(f"{_FLOWERS102_URL}/setid.mat", md5="a5357ecc9cb78c4bef273ce3793fc85c"),
)
"""Flowers-102, 345 MB; unpack the first, and `load_flowers102` reads the folder."""


def download_file(remote: RemoteFile, folder: str | os.PathLike[str]) -> Path:
    """Download a file; one that is there already is only verified.

    An interrupted download goes on where it stopped, in this call or the next. The file appears
    under its name, in `folder`, when it is whole.

    Raises:
        DownloadError: the server cannot be reached or lacks the file, or what it sends is not that.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    file, part = folder / remote.name, folder / f".{remote.name}.part"
    failure: object = None
    session = secure_session(remote.url.rpartition("/")[0], argument="url")
    with session, FileLock(folder / f".{remote.name}.lock"):
        if file.exists():
            if _md5(file) == remote.md5:
                return file
            _log.warning("%s does not match its MD5: downloading it again", file)
        for _ in range(_ATTEMPTS):
            try:
                _append(session, remote, part)
            except requests.RequestException as error:
                failure = error
                continue  # from where it broke off
            if _md5(part) == remote.md5:
                os.replace(part, file)
                return file
            failure = "its MD5 is another"
            part.unlink()
    raise DownloadError(f"{remote.name}: damaged in {_ATTEMPTS} attempts ({failure})")


def _append(session: requests.Session, remote: RemoteFile, part: Path) -> None:
    """Receive what is missing of a file; all of it if the server cannot tell."""
    start = part.stat().st_size if part.exists() else 0
    headers = {"Range": f"bytes={start}-"} if start else {}
    with get(session, remote.url, **headers) as response:
        status, given = response.status_code, response.headers.get("Content-Range", "")
        if start and status == requests.codes.requested_range_not_satisfiable:
            return  # nothing is missing, or the part is of another file: its MD5 will tell
        resumed = status == requests.codes.partial_content and given.startswith(f"bytes {start}-")
        if status != requests.codes.ok and not resumed:
            raise DownloadError(f"{remote.name}: {status} {response.reason}")
        with part.open("ab" if resumed else "wb") as stream:
            for chunk in response.iter_content(CHUNK):
                if stream.tell() + len(chunk) > _MAX_BYTES:
                    stream.truncate(0)  # or the next call would go on from there
                    raise DownloadError(f"{remote.name}: more than {_MAX_BYTES} bytes")
                stream.write(chunk)
            stream.flush()
            os.fsync(stream.fileno())


def _md5(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
