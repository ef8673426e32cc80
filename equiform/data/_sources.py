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
        The content by name; None if no file of these is there. Where some are and others are not,
        or the archive is damaged or unsafe, ImageFormatError is raised.
    """
    if not root.exists():
        raise FileNotFoundError(f"root={str(root)!r} does not exist")
    found = {}
    for place in (root, root / folder, root / archive):
        if place.is_file():
            found = _archived(place, folder, names)
        else:
            found = {name: _mapped(place / name) for name in names if (place / name).is_file()}
        if found:
            if missing := ", ".join(sorted(set(names) - set(found))):
                raise ImageFormatError(f"{place} lacks {missing}; unpack or download it again")
            return found
    return None


def _mapped(file: Path) -> NDArray[np.uint8]:
    # An empty file cannot be mapped.
    return np.memmap(file, np.uint8, "r") if file.stat().st_size else np.empty(0, np.uint8)


def _archived(archive: Path, folder: str, names: Collection[str]) -> dict[str, NDArray[np.uint8]]:
    def wanted(name: str) -> bool:
        path = PurePosixPath(name)
        return path.parent.name == folder and path.name in names

    try:
        return {
            PurePosixPath(name).name: np.frombuffer(data, np.uint8)
            for name, data in iter_files(archive, wanted, limits=_LIMITS)
            if wanted(name)  # a file that is no archive comes back whatever its name
        }
    except StructureFormatError as error:
        raise ImageFormatError(str(error)) from error
