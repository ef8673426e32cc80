"""Oxford Flowers-102, for retrieval.

Source: Nilsback, Zisserman, Automated flower classification over a large number of classes,
ICVGIP 2008, https://www.robots.ox.ac.uk/~vgg/data/flowers/102.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from equiform._extras import require
from equiform.data._decode import decode_images
from equiform.data.images import ImageFormatError, ImageSet

_SPLITS = {"train": "trnid", "validation": "valid", "test": "tstid"}


def load_flowers102(
    root: str | os.PathLike[str], *, split: Literal["train", "validation", "test"], size: int
) -> ImageSet:
    """Read ``root/jpg/image_00001.jpg``, … with ``root/imagelabels.mat`` and ``root/setid.mat``.

    Args:
        root: the folder that the archive of images was unpacked in, beside the two .mat files
            (`FLOWERS102_FILES` of this package).
        split: as published: 10 images a class in "train" and in "validation", 6,149 in "test".
        size: side of the images in pixels, reached as in `load_image_folder`.

    Returns:
        The images. The data set numbers its classes, and so their names are "1" … "102". Where an
        image is missing, or a file damaged or not as said, ImageFormatError is raised.
    """
    if split not in _SPLITS:
        raise ValueError(f'split must be "train", "validation" or "test", got {split!r}')
    root = Path(root)
    labels = _vector(root / "imagelabels.mat", "labels")
    ids = _vector(root / "setid.mat", _SPLITS[split])
    low, high, top = ids.min(), ids.max(), len(labels)
    if low < 1 or high > top:
        raise ImageFormatError(f"setid.mat: ids must be in 1..{top}, got {low}..{high}")
    if labels.min() < 1:
        raise ImageFormatError(f"imagelabels.mat: labels must be from 1, got {labels.min()}")
    images = decode_images([root / "jpg" / f"image_{i:05d}.jpg" for i in ids], size=size)
    classes = tuple(map(str, range(1, int(labels.max()) + 1)))
    return ImageSet(images, torch.from_numpy(labels[ids - 1] - 1), classes)


def _vector(file: Path, name: str) -> NDArray[np.int64]:
    if not file.is_file():
        raise FileNotFoundError(
            f"{file} is not there; download it with equiform.data.download_file"
        )
    loadmat = require("scipy.io", extra="images").loadmat
    try:
        values = loadmat(file, variable_names=[name])[name].ravel().astype(np.int64)
    except Exception as error:  # whatever scipy makes of a damaged file
        raise ImageFormatError(f"{file}: no readable {name!r} ({error})") from error
    if not len(values):
        raise ImageFormatError(f"{file}: {name!r} is empty")
    return values
