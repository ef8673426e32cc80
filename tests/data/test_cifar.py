"""CIFAR in each of its layouts, packed and unpacked, small and of any length; and the real one."""

import io
import pickle
import runpy
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from equiform.data import ImageFormatError, ImageSet, load_cifar10, load_cifar100
from tests.data.test_pickle import python2_pickle

CLASSES = [f"class_{i}" for i in range(100)]
COARSE = [f"super_{i}" for i in range(20)]

Files = dict[str, bytes]


class Split:
    """Random images and labels of one batch."""

    def __init__(self, n: int, seed: int, classes: int) -> None:
        generator = np.random.default_rng(seed)
        self.images = generator.integers(256, size=(n, 3, 32, 32), dtype=np.uint8)
        self.labels = generator.permutation(n) % classes
        self.coarse = self.labels // 5

    @property
    def data(self) -> NDArray[np.uint8]:
        return self.images.reshape(len(self.images), -1)


# Batches of different lengths, none of them 10,000.
TRAIN10, TEST10 = [Split(10 + i, i, 10) for i in range(5)], Split(7, 5, 10)
TRAIN100, TEST100 = Split(120, 6, 100), Split(3, 7, 100)


def rows(split: Split, *labels: NDArray[np.int64]) -> bytes:
    return np.column_stack([*(label.astype(np.uint8) for label in labels), split.data]).tobytes()


def binary10() -> Files:
    files = {f"data_batch_{i}.bin": rows(b, b.labels) for i, b in enumerate(TRAIN10, 1)}
    names = "\n".join(CLASSES[:10]) + "\n\n"  # the official file ends in an empty line too
    return files | {
        "test_batch.bin": rows(TEST10, TEST10.labels),
        "batches.meta.txt": names.encode(),
    }


def pickled10(dump: Callable[[object], bytes]) -> Files:
    def batch(split: Split) -> bytes:
        return dump({"data": split.data, "labels": split.labels.tolist(), "batch_label": "some"})

    files = {f"data_batch_{i}": batch(b) for i, b in enumerate(TRAIN10, 1)}
    meta = dump({"label_names": CLASSES[:10], "num_vis": 3072})
    return files | {"test_batch": batch(TEST10), "batches.meta": meta}


def binary100() -> Files:
    files = {
        f"{name}.bin": rows(split, split.coarse, split.labels)
        for name, split in (("train", TRAIN100), ("test", TEST100))
    }
    names = {"fine_label_names.txt": CLASSES, "coarse_label_names.txt": COARSE}
    return files | {name: "\n".join(lines).encode() for name, lines in names.items()}


def pickled100(dump: Callable[[object], bytes]) -> Files:
    files = {
        name: dump(
            {
                "data": split.data,
                "fine_labels": split.labels.tolist(),
                "coarse_labels": split.coarse.tolist(),
            }
        )
        for name, split in (("train", TRAIN100), ("test", TEST100))
    }
    return files | {"meta": dump({"fine_label_names": CLASSES, "coarse_label_names": COARSE})}


LAYOUTS10 = {
    "binary": ("cifar-10-batches-bin", "cifar-10-binary.tar.gz", binary10()),
    "python 2": ("cifar-10-batches-py", "cifar-10-python.tar.gz", pickled10(python2_pickle)),
    "python 3": ("cifar-10-batches-py", "cifar-10-python.tar.gz", pickled10(pickle.dumps)),
}
LAYOUTS100 = {
    "binary": ("cifar-100-binary", "cifar-100-binary.tar.gz", binary100()),
    "python 2": ("cifar-100-python", "cifar-100-python.tar.gz", pickled100(python2_pickle)),
    "python 3": ("cifar-100-python", "cifar-100-python.tar.gz", pickled100(pickle.dumps)),
}


def write(root: Path, layout: tuple[str, str, Files], how: str) -> Path:
    """Lay the files out; the root to load them from."""
    folder, archive, files = layout
    if how in ("folder", "its folder"):
        (root / folder).mkdir()
        for name, data in files.items():
            (root / folder / name).write_bytes(data)
        return root if how == "folder" else root / folder
    with tarfile.open(root / archive, "w:gz") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(f"{folder}/{name}")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return root if how == "archive" else root / archive


def assert_images(found: ImageSet, images: NDArray, labels: NDArray, classes: list[str]) -> None:
    np.testing.assert_array_equal(found.images, images)
    np.testing.assert_array_equal(found.labels, labels)
    assert found.classes == tuple(classes)


HOW = ["folder", "its folder", "archive", "its archive"]


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("layout", LAYOUTS10)
def test_cifar10(tmp_path, layout, how):
    root = write(tmp_path, LAYOUTS10[layout], how)
    images = np.concatenate([batch.images for batch in TRAIN10])
    labels = np.concatenate([batch.labels for batch in TRAIN10])
    assert_images(load_cifar10(root, train=True), images, labels, CLASSES[:10])
    assert_images(load_cifar10(root, train=False), TEST10.images, TEST10.labels, CLASSES[:10])


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("layout", LAYOUTS100)
def test_cifar100(tmp_path, layout, how):
    root = write(tmp_path, LAYOUTS100[layout], how)
    for train, split in ((True, TRAIN100), (False, TEST100)):
        assert_images(load_cifar100(root, train=train), split.images, split.labels, CLASSES)
        coarse = load_cifar100(root, train=train, coarse=True)
        assert_images(coarse, split.images, split.coarse, COARSE)


def test_images_may_be_written_to(tmp_path):
    write(tmp_path, LAYOUTS10["binary"], "folder")
    load_cifar10(tmp_path, train=False).images.zero_()
    assert_images(load_cifar10(tmp_path, train=False), TEST10.images, TEST10.labels, CLASSES[:10])


def test_nothing_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"holds none of cifar-10-.*CIFAR10_ARCHIVE, root"):
        load_cifar10(tmp_path, train=True)
    with pytest.raises(FileNotFoundError, match=r"CIFAR100_ARCHIVE, root"):
        load_cifar100(tmp_path, train=True)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        load_cifar10(tmp_path / "none", train=True)
    # An archive of something else.
    root = write(tmp_path, ("other", "other.tar.gz", {"test_batch": b""}), "its archive")
    with pytest.raises(FileNotFoundError, match="holds none of"):
        load_cifar10(root, train=True)


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize(
    ("layout", "missing"), [("binary", "data_batch_3.bin"), ("python 2", "data_batch_3")]
)
def test_a_missing_batch(tmp_path, how, layout, missing):
    folder, archive, files = LAYOUTS10[layout]
    rest = {name: data for name, data in files.items() if name != missing}
    root = write(tmp_path, (folder, archive, rest), how)
    with pytest.raises(ImageFormatError, match=f"lacks {missing}"):
        load_cifar10(root, train=True)
    assert len(load_cifar10(root, train=False)) == 7


def spoilt(layout: str, name: str, data: bytes) -> tuple[str, str, Files]:
    folder, archive, files = LAYOUTS10[layout]
    return folder, archive, files | {name: data}


GOOD = {"data": TEST10.data, "labels": TEST10.labels.tolist()}


@pytest.mark.parametrize(
    ("layout", "name", "data", "message"),
    [
        ("binary", "test_batch.bin", b"", "0 images"),
        ("binary", "test_batch.bin", bytes(3072), "multiple of 3073 bytes, got 3072"),
        ("binary", "test_batch.bin", b"\x0a" + bytes(3072), r"labels must be in 0..9, got 10..10"),
        ("binary", "batches.meta.txt", b"a b c", "10 classes were expected, not 3"),
        ("binary", "batches.meta.txt", b"\xff", "not a list of names"),
        ("python 3", "test_batch", b"", "not a pickle"),
        ("python 3", "test_batch", pickle.dumps({}), "there is no 'data'"),
        ("python 3", "test_batch", pickle.dumps({"data": TEST10.data}), "there is no 'labels'"),
        ("python 3", "test_batch", pickle.dumps(GOOD | {"data": [1]}), r"shape \(N, 3072\)"),
        ("python 3", "test_batch", pickle.dumps(GOOD | {"data": TEST10.data[:, 1:]}), "3072"),
        ("python 3", "test_batch", pickle.dumps(GOOD | {"labels": [1]}), "7 images and 1 labels"),
        ("python 3", "test_batch", pickle.dumps(GOOD | {"labels": [-1] * 7}), r"got -1..-1"),
        ("python 3", "test_batch", pickle.dumps(GOOD | {"labels": [10] * 7}), r"got 10..10"),
        ("python 3", "test_batch", pickle.dumps(GOOD | {"labels": [2**70] * 7}), "numbers of"),
        ("python 3", "test_batch", pickle.dumps(GOOD | {"labels": ["1"] * 7}), "numbers of"),
        ("python 3", "batches.meta", pickle.dumps({"label_names": 3}), "must be a list of names"),
    ],
)
def test_files_that_are_not_as_they_should_be(tmp_path, layout, name, data, message):
    write(tmp_path, spoilt(layout, name, data), "folder")
    with pytest.raises(ImageFormatError, match=rf"^{name}: .*{message}"):
        load_cifar10(tmp_path, train=False)


def test_an_unsafe_or_damaged_archive(tmp_path):
    root = write(tmp_path, ("../cifar-10-batches-bin", "x.tar.gz", binary10()), "its archive")
    with pytest.raises(ImageFormatError, match="outside the folder"):
        load_cifar10(root, train=False)
    root = write(tmp_path, LAYOUTS10["binary"], "its archive")
    root.write_bytes(root.read_bytes()[:-1000])
    with pytest.raises(ImageFormatError, match="damaged archive"):
        load_cifar10(root, train=False)


def test_real_images(real_cifar10, tmp_path):
    """All 8,000 real test images, against the archive that they are unpacked from."""
    unpack = runpy.run_path(str(real_cifar10 / "unpack_cifar10.py"))
    arrays = unpack["read_archive"](real_cifar10 / "cifar10_jpeg.npz")
    chosen = np.flatnonzero(arrays["batch"] == 6)
    data, labels = unpack["decode_rows"](arrays, chosen), arrays["label"][chosen]
    names = [str(name) for name in arrays["class_names"]]
    for name, content in (
        ("test_batch", {b"labels": labels.tolist(), b"data": data}),
        ("batches.meta", {b"label_names": [name.encode() for name in names]}),
    ):
        with (tmp_path / name).open("wb") as file:
            unpack["Py2Pickle"](file).dump(content)
    images = load_cifar10(tmp_path, train=False)
    assert_images(images, data.reshape(-1, 3, 32, 32), labels, names)
    assert images.labels.bincount().tolist() == [800] * 10
    # The published statistics of the original training set, as near as JPEGs of others come.
    mean, std = images.mean_std()
    torch.testing.assert_close(mean, torch.tensor([0.4914, 0.4822, 0.4465]), rtol=0, atol=0.01)
    torch.testing.assert_close(std, torch.tensor([0.2470, 0.2435, 0.2616]), rtol=0, atol=0.01)
