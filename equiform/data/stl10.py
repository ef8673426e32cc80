"""STL-10 in its binary layout, packed or unpacked.

Source: Coates, Ng, Lee, An analysis of single-layer networks in unsupervised feature learning,
AISTATS 2011, https://cs.stanford.edu/~acoates/stl10.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from equiform.data._sources import read_source
from equiform.data.images import ImageFormatError, ImageSet, resize

_SIZE = 96
_BYTES = 3 * _SIZE**2
_CHUNK = 1024  # images in memory at full size at once


def load_stl10(
    root: str | os.PathLike[str], *, split: Literal["train", "test", "unlabeled"], size: int = _SIZE
) -> ImageSet:
    """Read STL-10.

    Args:
        root: the folder of the ``.bin`` files, or one that holds ``stl10_binary`` or
            ``stl10_binary.tar.gz``; or that archive. To read "unlabeled", unpack it first: from the
            archive it takes 6 GB of memory.
        split: "train" (5,000 images), "test" (8,000) or "unlabeled" (100,000; of one class, called
            "unlabeled").
        size: side of the images in pixels, reached by antialiased interpolation from 96.

    A file that is missing, damaged, or not in the layout raises ImageFormatError.
    """
    if split not in ("train", "test", "unlabeled"):
        raise ValueError(f'split must be "train", "test" or "unlabeled", got {split!r}')
    labelled = split != "unlabeled"
    pixels, numbers, names = f"{split}_X.bin", f"{split}_y.bin", "class_names.txt"
    wanted = (pixels, numbers, names) if labelled else (pixels,)
    found = read_source(Path(root), wanted, folder="stl10_binary", archive="stl10_binary.tar.gz")
    if found is None:
        raise FileNotFoundError(
            f"root={str(root)!r} holds neither stl10_binary nor stl10_binary.tar.gz; download it "
            "with equiform.data.download_file(STL10_ARCHIVE, root)"
        )
    if not (n := len(found[pixels])) or n % _BYTES:
        raise ImageFormatError(f"{pixels}: its size must be a multiple of {_BYTES} bytes, got {n}")
    # Column-major: the transpose makes rows of them, and a copy that torch may own.
    images = found[pixels].reshape(-1, 3, _SIZE, _SIZE).transpose(0, 1, 3, 2)
    chunks = (images[i : i + _CHUNK] for i in range(0, len(images), _CHUNK))
    resized = torch.cat([resize(torch.from_numpy(chunk.copy()), size) for chunk in chunks])
    if not labelled:
        return ImageSet(resized, torch.zeros(len(resized), dtype=torch.int64), ("unlabeled",))
    classes = tuple(found[names].tobytes().decode("ascii", "replace").split())
    labels = found[numbers].astype(np.int64) - 1
    if len(labels) != len(images) or labels.min() < 0 or labels.max() >= len(classes):
        raise ImageFormatError(
            f"{numbers}: one label in 1..{len(classes)} was expected for each of {len(images)} "
            f"images, got {len(labels)} in {labels.min(initial=0) + 1}..{labels.max(initial=0) + 1}"
        )
    return ImageSet(resized, torch.from_numpy(labels), classes)
