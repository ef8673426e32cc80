"""Find the files of a data set: in a folder, in its usual subfolder, or still in its archive."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from equiform.data.archive import ReadLimits, StructureFormatError, iter_files
from equiform.data.images import ImageFormatError

# The unlabelled part of STL-10 is one file of 2.6 GiB.
_LIMITS = ReadLimits(member_bytes=4 * 2**30)


def read_source(
    root: Path, names: Collection[str], *, folder: str, archive: str
) -> dict[str, NDArray[np.uint8]] | None:
    """The named files, as bytes: mapped where they lie in a folder, read where in an archive.

    Args:
        root: the folder that holds the files, or that holds `folder` or `archive`; or an archive.
        names: of the files.
        folder: that the files lie in, in the archive or where it was unpacked.
        archive: file name of the archive.

    Returns:
        The content by name; None if no file of these is there.

    Raises:
        FileNotFoundError: there is nothing at `root`.
        ImageFormatError: some of the files are there and others are not, or the archive is damaged
            or unsafe.
    """
    if not root.exists():
        raise FileNotFoundError(f"root={str(root)!r} does not exist")
    for place in (root, root / folder):
        found = {name: _mapped(place / name) for name in names if (place / name).is_file()}
        if found:
            return _complete(place, names, found)
    for place in (root, root / archive):
        if place.is_file():
            found = _archived(place, folder, names)
            return _complete(place, names, found) if found else None
    return None


def _mapped(file: Path) -> NDArray[np.uint8]:
    # An empty file cannot be mapped.
    return np.memmap(file, np.uint8, "r") if file.stat().st_size else np.empty(0, np.uint8)


def _archived(archive: Path, folder: str, names: Collection[str]) -> dict[str, NDArray[np.uint8]]:
    members = {f"{folder}/{name}": name for name in names}

    def tail(name: str) -> str:
        return "/".join(PurePosixPath(name).parts[-2:])

    try:
        return {
            members[tail(name)]: np.frombuffer(data, np.uint8)
            for name, data in iter_files(archive, lambda n: tail(n) in members, limits=_LIMITS)
            if tail(name) in members
        }
    except StructureFormatError as error:
        raise ImageFormatError(str(error)) from error


def _complete(
    place: Path, names: Collection[str], found: dict[str, NDArray[np.uint8]]
) -> dict[str, NDArray[np.uint8]]:
    missing = sorted(set(names) - set(found))
    if missing:
        raise ImageFormatError(f"{place} lacks {', '.join(missing)}; unpack or download it again")
    return found
