"""Folders of image files, and Flowers-102 on files of the same format."""

import io
import os
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from equiform.data import ImageFormatError, load_flowers102, load_image_folder


def picture(width: int, height: int, seed: int) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(256, size=(height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def save(file: Path, image: Image.Image) -> np.ndarray:
    """Write a file; the pixels that it holds, (3, H, W)."""
    file.parent.mkdir(parents=True, exist_ok=True)
    image.save(file)
    with Image.open(file) as written:
        return np.asarray(written.convert("RGB")).transpose(2, 0, 1)


def test_names_and_order(tmp_path):
    expected = [
        save(tmp_path / name, picture(8, 8, seed))
        for seed, name in enumerate(
            ["ant/1.png", "ant/deep/0.JPEG", "bee/2.jpg", "bee/3.PNG", "bee/4.jpeg"]
        )
    ]
    (tmp_path / "ant" / "notes.txt").write_text("no image")
    (tmp_path / "list.txt").write_text("no class")
    found = load_image_folder(tmp_path, size=8)
    assert found.classes == ("ant", "bee")
    assert found.labels.tolist() == [0, 0, 1, 1, 1]
    np.testing.assert_array_equal(found.images, np.stack(expected))
    chosen = load_image_folder(tmp_path, size=8, classes=["bee"])
    assert chosen.classes == ("bee",)
    np.testing.assert_array_equal(chosen.images, np.stack(expected[2:]))
    turned = load_image_folder(tmp_path, size=8, classes=["bee", "ant"])
    assert turned.labels.tolist() == [0, 0, 0, 1, 1]


@pytest.mark.parametrize(("width", "height"), [(40, 20), (20, 40), (20, 20), (60, 20)])
def test_shorter_side_and_centre(tmp_path, width, height):
    image = picture(width, height, 0)
    save(tmp_path / "a" / "x.png", image)
    for size in (20, 10):
        whole = image.resize((width * size // 20, height * size // 20), Image.Resampling.BILINEAR)
        left, top = (whole.width - size) // 2, (whole.height - size) // 2
        expected = np.asarray(whole.crop((left, top, left + size, top + size)))
        found = load_image_folder(tmp_path, size=size).images[0].permute(1, 2, 0).numpy()
        # Pillow rounds between its two passes.
        np.testing.assert_allclose(found.astype(int), expected.astype(int), rtol=0, atol=1)


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "LA", "1"])
def test_modes(tmp_path, mode):
    pixels = save(tmp_path / "a" / "x.png", picture(9, 9, 0).convert(mode))
    np.testing.assert_array_equal(load_image_folder(tmp_path, size=9).images[0], pixels)


def test_cache(tmp_path):
    root, cache = tmp_path / "images", tmp_path / "cache"
    for seed in range(3):
        save(root / "a" / f"{seed}.png", picture(8, 8, seed))

    def load(size: int = 8):
        return load_image_folder(root, size=size, cache=cache)

    plain = load_image_folder(root, size=8)
    for _ in range(2):
        np.testing.assert_array_equal(load().images, plain.images)
    assert len(list(cache.glob("*.cache"))) == 1
    assert load(4).images.shape[-1] == 4
    # Read from the cache: with the same length and time, the file itself is not looked into.
    file = root / "a" / "1.png"
    stat = file.stat()
    file.write_bytes(bytes(stat.st_size))
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    np.testing.assert_array_equal(load().images, plain.images)
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    with pytest.raises(ImageFormatError, match=r"1\.png: not a readable image"):
        load()
    save(file, picture(8, 8, 7))
    assert not np.array_equal(load().images, plain.images)


def encoded(image: Image.Image, kind: str) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


def claims_to_be(width: int, height: int) -> bytes:
    """The start of a PNG file of that size."""
    header = b"IHDR" + width.to_bytes(4) + height.to_bytes(4) + b"\x08\x02\x00\x00\x00"
    return b"\x89PNG\r\n\x1a\n" + (13).to_bytes(4) + header + zlib.crc32(header).to_bytes(4)


PICTURE = picture(30, 30, 0)
UNREADABLE = {
    "empty": b"",
    "cut png": encoded(PICTURE, "PNG")[:1000],
    "cut jpeg": encoded(PICTURE, "JPEG")[:1000],
    "another format": encoded(PICTURE, "BMP"),
    "bomb": claims_to_be(100_000, 100_000),
}


@pytest.mark.parametrize("kind", UNREADABLE)
def test_damage(tmp_path, kind):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.png").write_bytes(UNREADABLE[kind])
    with pytest.raises(ImageFormatError, match=r"x\.png: not a readable image"):
        load_image_folder(tmp_path, size=8)


def test_folder_arguments(tmp_path):
    with pytest.raises(FileNotFoundError, match="is not a folder"):
        load_image_folder(tmp_path / "none", size=8)
    with pytest.raises(ImageFormatError, match="has no subfolders"):
        load_image_folder(tmp_path, size=8)
    (tmp_path / "a").mkdir()
    with pytest.raises(ImageFormatError, match=r"a holds no \.jpg, \.jpeg, \.png file"):
        load_image_folder(tmp_path, size=8)
    with pytest.raises(FileNotFoundError, match="classes names 'b'"):
        load_image_folder(tmp_path, size=8, classes=["b"])
    save(tmp_path / "a" / "x.png", picture(8, 8, 0))
    with pytest.raises(ValueError, match="size must be at least 1 pixel, got 0"):
        load_image_folder(tmp_path, size=0)


def write_flowers(root: Path, **changes: np.ndarray) -> np.ndarray:
    pixels = [save(root / "jpg" / f"image_{i:05d}.jpg", picture(8, 8, i)) for i in range(1, 7)]
    # The .mat files hold rows of small types, as the published ones do.
    arrays = {
        "labels": np.array([[3, 1, 2, 2, 1, 3]], np.uint8),
        "trnid": np.array([[6, 2]], np.uint16),
        "valid": np.array([[3]], np.uint16),
        "tstid": np.array([[1, 4, 5]], np.uint16),
    } | changes
    savemat(root / "imagelabels.mat", {"labels": arrays.pop("labels")})
    savemat(root / "setid.mat", arrays)
    return np.stack(pixels)


@pytest.mark.parametrize(
    ("split", "ids", "labels"),
    [("train", [6, 2], [2, 0]), ("validation", [3], [1]), ("test", [1, 4, 5], [2, 1, 0])],
)
def test_flowers(tmp_path, split, ids, labels):
    pixels = write_flowers(tmp_path)
    found = load_flowers102(tmp_path, split=split, size=8)
    assert found.classes == ("1", "2", "3")
    assert found.labels.tolist() == labels
    np.testing.assert_array_equal(found.images, pixels[np.array(ids) - 1])


def test_flowers_that_are_not_as_they_should_be(tmp_path):
    def load():
        load_flowers102(tmp_path, split="train", size=8)

    with pytest.raises(FileNotFoundError, match=r"imagelabels\.mat is not there; download"):
        load()
    for changes, message in (
        ({"trnid": np.array([[7]])}, r"setid\.mat: ids must be in 1\.\.6, got 7\.\.7"),
        ({"trnid": np.array([[0]])}, r"got 0\.\.0"),
        ({"trnid": np.zeros((1, 0))}, "'trnid' is empty"),
        ({"labels": np.array([[0, 1]])}, r"ids must be in 1\.\.2"),
        ({"labels": np.zeros((1, 6))}, "labels must be from 1, got 0"),
    ):
        write_flowers(tmp_path, **changes)
        with pytest.raises(ImageFormatError, match=message):
            load()
    write_flowers(tmp_path)
    (tmp_path / "jpg" / "image_00002.jpg").unlink()
    with pytest.raises(ImageFormatError, match=r"image_00002\.jpg: not a readable image"):
        load()
    (tmp_path / "setid.mat").write_bytes(b"damaged")
    with pytest.raises(ImageFormatError, match=r"setid\.mat: no readable 'trnid'"):
        load()
    with pytest.raises(ValueError, match='split must be "train", "validation" or "test"'):
        load_flowers102(tmp_path, split="valid", size=8)  # pyright: ignore[reportArgumentType]
