"""CIFAR-10 and CIFAR-100, as their binary or their Python archive, packed or unpacked.

Source: Krizhevsky, Learning multiple layers of features from tiny images (2009),
https://www.cs.toronto.edu/~kriz/cifar.html.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from equiform.data._pickle import read_pickled_dict
from equiform.data._sources import read_source
from equiform.data.images import ImageFormatError, ImageSet

_SIZE = 32
_BYTES = 3 * _SIZE**2
_Bytes = NDArray[np.uint8]
_Batch = tuple[_Bytes, NDArray[np.int64]]  # images (N, 3072), labels (N,)


class _Layout(NamedTuple):
    """One way in which a set is distributed: names of files, and how to read them."""

    folder: str
    archive: str
    batches: tuple[str, ...]
    meta: str
    read_batch: Callable[[str, _Bytes], _Batch]
    read_classes: Callable[[str, _Bytes], tuple[str, ...]]


def load_cifar10(root: str | os.PathLike[str], *, train: bool) -> ImageSet:
    """Read CIFAR-10, or a set of another length, in either of its layouts.

    Args:
        root: the folder of the batches, or one that holds ``cifar-10-batches-bin``,
            ``cifar-10-batches-py``, ``cifar-10-binary.tar.gz`` or ``cifar-10-python.tar.gz``; or
            such an archive. Pickles are read without running them.
        train: the training set, or the test set.

    Raises:
        FileNotFoundError: none of these is there.
        ImageFormatError: a file is missing, damaged, or not in the layout.
    """
    batches = [f"data_batch_{i}" for i in range(1, 6)] if train else ["test_batch"]
    layouts = (
        _Layout(
            folder="cifar-10-batches-bin",
            archive="cifar-10-binary.tar.gz",
            batches=tuple(f"{name}.bin" for name in batches),
            meta="batches.meta.txt",
            read_batch=partial(_binary_batch, label_bytes=1, column=0),
            read_classes=_listed_classes,
        ),
        _Layout(
            folder="cifar-10-batches-py",
            archive="cifar-10-python.tar.gz",
            batches=tuple(batches),
            meta="batches.meta",
            read_batch=partial(_pickled_batch, key="labels"),
            read_classes=partial(_pickled_classes, key="label_names"),
        ),
    )
    return _load(Path(root), layouts, classes=10, remote="CIFAR10_ARCHIVE")


def load_cifar100(root: str | os.PathLike[str], *, train: bool, coarse: bool = False) -> ImageSet:
    """Read CIFAR-100, in either of its layouts.

    Args:
        root: as for `load_cifar10`, with ``cifar-100-binary`` and ``cifar-100-python``.
        train: the training set, or the test set.
        coarse: label by the 20 superclasses, not the 100 classes.
    """
    split, kind = "train" if train else "test", "coarse" if coarse else "fine"
    layouts = (
        _Layout(
            folder="cifar-100-binary",
            archive="cifar-100-binary.tar.gz",
            batches=(f"{split}.bin",),
            meta=f"{kind}_label_names.txt",
            read_batch=partial(_binary_batch, label_bytes=2, column=0 if coarse else 1),
            read_classes=_listed_classes,
        ),
        _Layout(
            folder="cifar-100-python",
            archive="cifar-100-python.tar.gz",
            batches=(split,),
            meta="meta",
            read_batch=partial(_pickled_batch, key=f"{kind}_labels"),
            read_classes=partial(_pickled_classes, key=f"{kind}_label_names"),
        ),
    )
    return _load(Path(root), layouts, classes=20 if coarse else 100, remote="CIFAR100_ARCHIVE")


def _load(root: Path, layouts: Sequence[_Layout], *, classes: int, remote: str) -> ImageSet:
    for layout in layouts:
        meta, names = layout.meta, (*layout.batches, layout.meta)
        found = read_source(root, names, folder=layout.folder, archive=layout.archive)
        if found is None:
            continue
        labelled = layout.read_classes(meta, found[meta])
        if len(labelled) != classes:
            raise ImageFormatError(f"{meta}: {classes} classes were expected, not {len(labelled)}")
        images, labels = [], []
        for name in layout.batches:
            of_batch, numbers = layout.read_batch(name, found[name])
            if not len(of_batch) or len(of_batch) != len(numbers):
                raise ImageFormatError(f"{name}: {len(of_batch)} images and {len(numbers)} labels")
            low, high = numbers.min(), numbers.max()
            if low < 0 or high >= classes:
                expected = f"0..{classes - 1}, got {low}..{high}"
                raise ImageFormatError(f"{name}: labels must be in {expected}")
            images.append(of_batch)
            labels.append(numbers)
        pixels, numbers = (torch.from_numpy(np.concatenate(x)) for x in (images, labels))
        return ImageSet(pixels.view(-1, 3, _SIZE, _SIZE), numbers, labelled)
    places = ", ".join(place for layout in layouts for place in (layout.folder, layout.archive))
    raise FileNotFoundError(
        f"root={str(root)!r} holds none of {places}; download one with "
        f"equiform.data.download_file({remote}, root)"
    )


def _binary_batch(name: str, data: _Bytes, *, label_bytes: int, column: int) -> _Batch:
    row = label_bytes + _BYTES
    if len(data) % row:
        size = f"a multiple of {row} bytes, got {len(data)}"
        raise ImageFormatError(f"{name}: its size must be {size}: cut short?")
    rows = data.reshape(-1, row)
    return rows[:, label_bytes:], rows[:, column].astype(np.int64)


def _listed_classes(name: str, data: _Bytes) -> tuple[str, ...]:
    try:
        return tuple(data.tobytes().decode("ascii").split())
    except UnicodeDecodeError as error:
        raise ImageFormatError(f"{name}: not a list of names ({error})") from error


def _pickled_batch(name: str, data: _Bytes, *, key: str) -> _Batch:
    batch = read_pickled_dict(data.tobytes(), name=name)
    images = _entry(name, batch, "data")
    if not isinstance(images, np.ndarray) or images.ndim != 2 or images.shape[1] != _BYTES:
        raise ImageFormatError(f"{name}: data must be an array of shape (N, {_BYTES})")
    labels = _entry(name, batch, key)
    # Bounded here, so that none overflows on its way into the array.
    if not isinstance(labels, list) or not all(type(i) is int and -1 <= i < 256 for i in labels):
        raise ImageFormatError(f"{name}: {key} must be a list of numbers of classes")
    return images, np.array(labels, np.int64)


def _pickled_classes(name: str, data: _Bytes, *, key: str) -> tuple[str, ...]:
    classes = _entry(name, read_pickled_dict(data.tobytes(), name=name), key)
    if not isinstance(classes, list) or not all(isinstance(c, str | bytes) for c in classes):
        raise ImageFormatError(f"{name}: {key} must be a list of names")
    return tuple(c.decode("latin1") if isinstance(c, bytes) else c for c in classes)


def _entry(name: str, batch: dict[str, Any], key: str) -> Any:
    if key not in batch:
        raise ImageFormatError(f"{name}: there is no {key!r}, only {sorted(batch)}")
    return batch[key]
