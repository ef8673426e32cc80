"""STL-10 in its binary layout, on a few random images in the same format."""

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch

from equiform.data import ImageFormatError, load_stl10
from equiform.data.images import resize

CLASSES = ("airplane", "bird", "car")
IMAGES = np.random.default_rng(0).integers(256, size=(5, 3, 96, 96), dtype=np.uint8)
LABELS = np.array([1, 2, 3, 3, 1], np.uint8)


def column_major(images: np.ndarray) -> bytes:
    """Byte by byte, as the format says: channel, then column, then row."""
    n, _, rows, columns = images.shape
    return bytes(
        images[i, c, y, x]
        for i in range(n)
        for c in range(3)
        for x in range(columns)
        for y in range(rows)
    )


FILES = {
    "train_X.bin": column_major(IMAGES[:3]),
    "train_y.bin": LABELS[:3].tobytes(),
    "test_X.bin": column_major(IMAGES[3:]),
    "test_y.bin": LABELS[3:].tobytes(),
    "unlabeled_X.bin": column_major(IMAGES[1:3]),
    "class_names.txt": "\n".join(CLASSES).encode(),
}
PARTS = {"train": slice(0, 3), "test": slice(3, 5), "unlabeled": slice(1, 3)}


def write(root: Path, files: dict[str, bytes], *, packed: bool = False) -> Path:
    if packed:
        with tarfile.open(root / "stl10_binary.tar.gz", "w:gz") as tar:
            for name, data in files.items():
                info = tarfile.TarInfo(f"stl10_binary/{name}")
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    else:
        (root / "stl10_binary").mkdir()
        for name, data in files.items():
            (root / "stl10_binary" / name).write_bytes(data)
    return root


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("split", PARTS)
def test_splits(tmp_path, split, packed):
    write(tmp_path, FILES, packed=packed)
    found = load_stl10(tmp_path, split=split)
    np.testing.assert_array_equal(found.images, IMAGES[PARTS[split]])
    if split == "unlabeled":
        assert found.classes == ("unlabeled",)
        assert not found.labels.any()
    else:
        assert found.classes == CLASSES
        np.testing.assert_array_equal(found.labels, LABELS[PARTS[split]].astype(int) - 1)


def test_size(tmp_path, monkeypatch):
    monkeypatch.setattr("equiform.data.stl10._CHUNK", 2)
    found = load_stl10(write(tmp_path, FILES), split="train", size=32)
    whole = resize(torch.from_numpy(IMAGES[:3]), 32)
    # Values halfway between two levels: rounding, not the same in every chunk, picks either.
    assert (found.images.int() - whole.int()).abs().max() <= 1


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("train_X.bin", b"", "multiple of 27648 bytes, got 0"),
        ("train_X.bin", FILES["train_X.bin"][:-1], "multiple of 27648 bytes, got 82943"),
        ("train_y.bin", b"\x01\x02", "in 1..3 was expected for each of 3 images, got 2"),
        ("train_y.bin", b"\x00\x02\x03", "got 3 in 0..3"),
        ("train_y.bin", b"\x01\x02\x04", "got 3 in 1..4"),
        ("train_y.bin", b"", "got 0"),
    ],
)
def test_files_that_are_not_as_they_should_be(tmp_path, name, data, message):
    write(tmp_path, FILES | {name: data})
    with pytest.raises(ImageFormatError, match=rf"^{name}: .*{message}"):
        load_stl10(tmp_path, split="train")


def test_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match="STL10_ARCHIVE, root"):
        load_stl10(tmp_path, split="train")
    write(tmp_path, {"train_X.bin": b""})
    with pytest.raises(ImageFormatError, match=r"lacks class_names\.txt, train_y\.bin"):
        load_stl10(tmp_path, split="train")
    with pytest.raises(ValueError, match='split must be "train", "test" or "unlabeled"'):
        load_stl10(tmp_path, split="valid")  # pyright: ignore[reportArgumentType]
