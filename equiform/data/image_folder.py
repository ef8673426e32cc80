"""A folder of images with one subfolder a class, as ImageNet and its subsets come."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import torch

from equiform._extras import require
from equiform.data.images import ImageFormatError, ImageSet

require("PIL", extra="images")
require("filelock", extra="images")
import PIL  # noqa: E402

from equiform.data._cache import Arrays, cached_arrays  # noqa: E402
from equiform.data._decode import decode_images  # noqa: E402

_SUFFIXES = (".jpg", ".jpeg", ".png")
_READER_VERSION = 1  # raised when the same files give other pixels, so that caches are rebuilt


def load_image_folder(
    root: str | os.PathLike[str],
    *,
    size: int,
    classes: Sequence[str] | None = None,
    cache: str | os.PathLike[str] | None = None,
) -> ImageSet:
    """Read ``root/<class>/**/*.jpg``, ``.jpeg`` or ``.png``.

    Images are scaled by their shorter side and cropped about the centre. All are held in memory,
    3 size² bytes each (twice that while a cache is written): of ImageNet-100, which is this
    function on a folder of ImageNet with the list of its 100 classes, 1.6 GB at ``size=64`` and
    19 GB at 224.

    Args:
        root: the folder of classes.
        size: side of the images in pixels.
        classes: subfolders to read, in the order of the labels; all, sorted, by default.
        cache: folder to keep the pixels in; they are decoded again when a file changes.

    Raises ImageFormatError where an image is damaged, or there is none of some class.
    """
    root = Path(root)
    if not root.is_dir():
        raise FileNotFoundError(f"root={str(root)!r} is not a folder")
    if classes is None:
        classes = sorted(folder.name for folder in root.iterdir() if folder.is_dir())
    if not classes:
        raise ImageFormatError(f"{root} has no subfolders, one for each class")
    of_class = []
    for name in classes:
        if not (folder := root / name).is_dir():
            raise FileNotFoundError(f"classes names {name!r}, which is not a folder of {root}")
        found = sorted(file for file in folder.rglob("*") if file.suffix.lower() in _SUFFIXES)
        if not found:
            raise ImageFormatError(f"{folder} holds no {', '.join(_SUFFIXES)} file")
        of_class.append(found)
    files = list(chain.from_iterable(of_class))
    labels = torch.arange(len(classes)).repeat_interleave(torch.tensor([*map(len, of_class)]))

    def build() -> Arrays:
        return {"images": decode_images(files, size=size).numpy()}

    arrays = build() if cache is None else cached_arrays(cache, _key(root, files, size), build)
    return ImageSet(torch.from_numpy(arrays["images"]), labels, tuple(classes))


def _key(root: Path, files: Sequence[Path], size: int) -> str:
    digest = hashlib.sha256(f"{_READER_VERSION} {PIL.__version__} {size}".encode())
    for file in files:
        name, stat = file.relative_to(root).as_posix(), file.stat()
        digest.update(f"\0{name}\0{stat.st_size}\0{stat.st_mtime_ns}".encode())
    return f"images-{digest.hexdigest()}"
