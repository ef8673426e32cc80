"""Files out of a folder, a tar or a zip: in sorted order, in memory, bounded.

An archive from elsewhere is not trusted. Nothing is written to disk, every read has a limit, and a
member whose name or kind would be dangerous to unpack is refused, because an archive that holds one
was not made in good faith.
"""

from __future__ import annotations

import gzip
import io
import lzma
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Protocol

STRUCTURE_SUFFIXES = (".pdb", ".ent", ".cif", ".mmcif", ".bcif")
_TAR_OPENERS = {(".tar",): open, (".tar.gz", ".tgz"): gzip.open, (".tar.xz", ".txz"): lzma.open}
# NotImplementedError is of zipfile, for a compression that it lacks.
_DAMAGED = (
    *(tarfile.TarError, zipfile.BadZipFile, gzip.BadGzipFile, lzma.LZMAError, zlib.error),
    *(EOFError, NotImplementedError),
)
_Files = Iterator[tuple[str, bytes]]
_Wanted = Callable[[str], bool]
_CHUNK = 2**20
_TAR_END = 2 * tarfile.BLOCKSIZE  # zeros at the end of an archive


class StructureFormatError(ValueError):
    """A structure file or archive that cannot be read without guessing; the message says why."""


@dataclass(frozen=True)
class ReadLimits:
    """How much an untrusted file may unpack to before it is refused.

    Attributes:
        member_bytes: largest file that is read, after decompression.
        total_bytes: largest archive, after decompression.
        members: most members of an archive, read or not.
    """

    member_bytes: int = 256 * 2**20
    total_bytes: int = 4 * 2**30
    members: int = 500_000

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value < 1:
                raise ValueError(f"ReadLimits needs {name} >= 1, got {value}")


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class _CappedReader:
    """A stream that fails once more than `limit` bytes came out of it.

    It sits between the decompressor and tarfile, so that no size that a tar header claims can make
    more than this appear in memory.
    """

    def __init__(self, stream: _Readable, limit: int, name: str) -> None:
        self._stream, self._limit, self._left, self._name = stream, limit, limit, name
        self.tail = b""

    def read(self, size: int) -> bytes:
        data = self._stream.read(min(size, self._left + 1))
        self._left -= len(data)
        self.tail = (self.tail + data[-_TAR_END:])[-_TAR_END:]
        if self._left < 0:
            raise _too_large(self._name, f"{self._limit} bytes once unpacked")
        return data


def _too_large(name: str, limit: str) -> StructureFormatError:
    remedy = "pass larger limits=ReadLimits(...) if you trust it"
    return StructureFormatError(f"{name}: more than {limit}; {remedy}")


def read_capped(stream: _Readable, *, limit: int, name: str) -> bytes:
    """Read a stream to its end; raise where it holds more than `limit` bytes, by its `name`."""
    capped = _CappedReader(stream, limit, name)
    return b"".join(iter(lambda: capped.read(_CHUNK), b""))


def gunzip(name: str, data: bytes, *, limit: int) -> bytes:
    """Undo gzip where `data` starts with its magic number; other data comes back as it is.

    The content decides and not the suffix, since browsers and servers unpack ``.gz`` files without
    renaming them.

    Raises:
        StructureFormatError: the data is damaged, cut short, or unpacks to more than `limit` bytes,
            which are the most that are ever held in memory.
    """
    if not data.startswith(b"\x1f\x8b"):
        return data
    try:
        return read_capped(gzip.GzipFile(fileobj=io.BytesIO(data)), limit=limit, name=name)
    except _DAMAGED as error:
        raise StructureFormatError(f"{name}: damaged gzip data ({error})") from error


def structure_stem(name: str) -> str | None:
    """File name of a structure file less folders and suffixes; None for any other file."""
    base = PurePosixPath(name).name
    stem, suffix = os.path.splitext(base[:-3] if base.lower().endswith(".gz") else base)
    return stem if suffix.lower() in STRUCTURE_SUFFIXES else None


def iter_structure_files(
    path: str | os.PathLike[str], *, limits: ReadLimits | None = None
) -> Iterator[tuple[str, bytes]]:
    """Yield the structure files that a path holds, sorted by name.

    Structure files end in .pdb, .ent, .cif, .mmcif or .bcif, each with an optional .gz; all others
    are passed over. (.bcif is not supported, but yielded so that a reader can say so.)

    Args:
        path: a structure file, a folder (searched recursively), a .tar, .tar.gz, .tgz, .tar.xz,
            .txz or a .zip. A structure file is taken whatever its suffix.
        limits: what an untrusted file may unpack to; ``ReadLimits()`` by default.

    Yields:
        The name (relative to the folder or archive, with forward slashes) and the bytes as stored:
        a .gz member is not yet unpacked.

    Raises:
        StructureFormatError: an archive is damaged or cut short, exceeds `limits`, or holds a
            member that is a link, a device, encrypted, repeated, or named to land outside the
            folder that it would be unpacked to.
    """
    return iter_files(path, lambda name: structure_stem(name) is not None, limits=limits)


def iter_files(
    path: str | os.PathLike[str], wanted: _Wanted, *, limits: ReadLimits | None = None
) -> _Files:
    """As `iter_structure_files`, for the files whose name (with its folders) is `wanted`."""
    path, limits = Path(path), limits or ReadLimits()
    if not path.exists():
        raise FileNotFoundError(f"path={str(path)!r} does not exist")
    name = path.name.lower()
    open_tar = next((o for ends, o in _TAR_OPENERS.items() if name.endswith(ends)), None)
    if path.is_dir():
        yield from _folder_files(path, wanted, limits)
    elif open_tar is not None:
        with open_tar(path, "rb") as stream:
            yield from _sorted_members(path.name, _tar_members(path.name, stream, wanted, limits))
    elif name.endswith(".zip"):
        yield from _sorted_members(path.name, _zip_members(path, wanted, limits))
    else:
        with path.open("rb") as stream:
            yield path.name, read_capped(stream, limit=limits.member_bytes, name=path.name)


def _sorted_members(archive: str, members: _Files) -> _Files:
    found: dict[str, bytes] = {}
    try:
        for name, data in members:
            if name in found:
                raise StructureFormatError(f"{archive}: member {name!r} appears twice")
            found[name] = data
    except _DAMAGED as error:
        raise StructureFormatError(f"{archive}: damaged archive ({error})") from error
    yield from sorted(found.items())


def _folder_files(folder: Path, wanted: _Wanted, limits: ReadLimits) -> _Files:
    # Links are followed to files only: a person put them here, unlike those of an archive.
    names = (file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())
    for name in sorted(filter(wanted, names)):
        with (folder / name).open("rb") as stream:
            yield name, read_capped(stream, limit=limits.member_bytes, name=name)


def _tar_members(archive: str, stream: _Readable, wanted: _Wanted, limits: ReadLimits) -> _Files:
    capped = _CappedReader(stream, limits.total_bytes, archive)
    with tarfile.open(fileobj=capped, mode="r|") as tar:  # pyright: ignore[reportCallIssue, reportArgumentType]
        for count, member in enumerate(tar, start=1):
            _check_member(archive, count, member.name, limits)
            if not (member.isreg() or member.isdir()) or member.issparse():
                raise StructureFormatError(
                    f"{archive}: member {member.name!r} is a link, a device or a sparse file"
                )
            if member.isreg() and wanted(member.name):
                content = tar.extractfile(member)
                assert content is not None
                yield member.name, read_capped(content, limit=limits.member_bytes, name=member.name)
    # tarfile stops before the checksum that closes the compressed stream: read on, to verify it.
    while capped.read(_CHUNK):
        pass
    # Nor does it tell a file cut short between two members from one that ends.
    if capped.tail != bytes(_TAR_END):
        raise StructureFormatError(f"{archive}: no end-of-archive mark: cut short?")


def _zip_members(path: Path, wanted: _Wanted, limits: ReadLimits) -> _Files:
    unpacked = 0
    with zipfile.ZipFile(path) as archive:
        for count, member in enumerate(archive.infolist(), start=1):
            _check_member(path.name, count, member.filename, limits)
            kind = stat.S_IFMT(member.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR) or member.flag_bits & 1:
                raise StructureFormatError(
                    f"{path.name}: member {member.filename!r} is a link, a device or encrypted"
                )
            if not member.is_dir() and wanted(member.filename):
                limit = min(limits.member_bytes, limits.total_bytes - unpacked)
                with archive.open(member) as content:
                    data = read_capped(content, limit=limit, name=member.filename)
                unpacked += len(data)
                yield member.filename, data


def _check_member(archive: str, count: int, name: str, limits: ReadLimits) -> None:
    if count > limits.members:
        raise _too_large(archive, f"{limits.members} members")
    # Both conventions are checked, whatever system this runs on: "..\\x" and "C:\\x" too.
    escapes = any(
        kind(name).is_absolute() or kind(name).anchor or ".." in kind(name).parts
        for kind in (PurePosixPath, PureWindowsPath)
    )
    if escapes or "\0" in name:
        raise StructureFormatError(
            f"{archive}: member {name!r} is named to land outside the folder of the archive"
        )
