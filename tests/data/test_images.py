"""ImageSet: its checks, its subsets, its splits and its statistics."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from equiform.data import ImageSet


def image_set(labels: list[int], *, size: int = 4, classes: int = 3) -> ImageSet:
    """Random images with a factor that numbers them."""
    n = len(labels)
    return ImageSet(
        torch.randint(256, (n, 3, size, size), dtype=torch.uint8),
        torch.tensor(labels),
        tuple("abcdefgh"[:classes]),
        {"number": torch.arange(n), "point": torch.rand(n, 2)},
    )


@given(
    labels=st.lists(st.integers(0, 2), min_size=2, max_size=60),
    seed=st.integers(0, 2**31),
    fraction=st.floats(0.01, 0.99),
)
def test_a_split_is_a_stratified_partition(labels, seed, fraction):
    images = image_set(labels)
    counts = images.labels.bincount(minlength=3)
    expected = sum(round(fraction * int(count)) for count in counts)
    if not 0 < expected < len(labels):
        with pytest.raises(ValueError, match=rf"holds out {expected} of {len(labels)} images"):
            images.split(fraction, seed=seed)
        return
    kept, held = images.split(fraction, seed=seed)
    assert sorted([*kept.factors["number"].tolist(), *held.factors["number"].tolist()]) == list(
        range(len(labels))
    )
    for part in (kept, held):
        number = part.factors["number"]
        assert (number.diff() > 0).all()
        torch.testing.assert_close(part.images, images.images[number])
        torch.testing.assert_close(part.labels, images.labels[number])
    assert ((held.labels.bincount(minlength=3) - fraction * counts).abs() <= 0.5).all()
    again = images.split(fraction, seed=seed)[1]
    torch.testing.assert_close(again.factors["number"], held.factors["number"])


def test_splits_differ_with_the_seed_and_draw_all_images():
    images = image_set([0, 1] * 50)
    drawn = [images.split(0.2, seed=seed)[1].factors["number"] for seed in range(60)]
    assert len({tuple(numbers.tolist()) for numbers in drawn}) == 60
    # An image escapes 60 draws of a fifth with probability 1.5e-6.
    assert torch.cat(drawn).unique().numel() == 100


@pytest.mark.parametrize("fraction", [0, 1, -0.5, float("nan")])
def test_split_fraction(fraction):
    with pytest.raises(ValueError, match="fraction must be between 0 and 1"):
        image_set([0, 1]).split(fraction, seed=0)


def test_subset():
    images = image_set([0, 1, 2, 1])
    for indices, expected in (
        ([3, 0, 0], [3, 0, 0]),
        (torch.tensor([1, -1]), [1, 3]),
        (torch.tensor([False, True, True, False]), [1, 2]),
    ):
        chosen = images.subset(indices)
        assert chosen.factors["number"].tolist() == expected
        torch.testing.assert_close(chosen.images, images.images[expected])
        torch.testing.assert_close(chosen.labels, images.labels[expected])
        assert len(chosen) == len(expected)
        assert chosen.classes == images.classes
    for wrong in ([], [0.5], torch.zeros(4, dtype=torch.bool)):
        with pytest.raises(ValueError, match=r"indices must be|images must hold"):
            images.subset(wrong)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("n", [1, 3, 50])
def test_mean_and_std(n):
    images = image_set([0] * n, size=5)
    mean, std = images.mean_std()
    pixels = images.images.numpy().astype(np.float64) / 255
    np.testing.assert_allclose(mean, pixels.mean((0, 2, 3)), rtol=1e-6)
    np.testing.assert_allclose(std, pixels.std((0, 2, 3)), rtol=1e-6)


def test_mean_and_std_of_one_colour():
    colour = torch.tensor([0, 51, 255], dtype=torch.uint8)[None, :, None, None]
    images = ImageSet(colour.expand(2, 3, 4, 4), torch.zeros(2, dtype=torch.int64), ("a",))
    mean, std = images.mean_std()
    torch.testing.assert_close(mean, torch.tensor([0, 0.2, 1]))
    torch.testing.assert_close(std, torch.zeros(3), rtol=0, atol=1e-7)


@pytest.mark.parametrize("size", [8, 12, 24, 48])
def test_resize_agrees_with_pillow(size):
    """Pillow interpolates by the same antialiased triangle, in fixed point: one level apart."""
    images = image_set([0, 1, 2], size=24)
    resized = images.resize(size)
    for before, after in zip(images.images, resized.images, strict=True):
        picture = Image.fromarray(before.permute(1, 2, 0).numpy())
        expected = np.asarray(picture.resize((size, size), Image.Resampling.BILINEAR))
        assert np.abs(after.permute(1, 2, 0).numpy() - expected.astype(int)).max() <= 1
    torch.testing.assert_close(resized.factors["number"], images.factors["number"])
    with pytest.raises(ValueError, match="size must be at least 1 pixel, got 0"):
        images.resize(0)


DEVICES = [
    "cpu",
    pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")),
]


@pytest.mark.parametrize("device", DEVICES)
def test_to(device):
    images = image_set([0, 1, 1])
    moved = images.to(device)
    for before, after in (
        (images.images, moved.images),
        (images.labels, moved.labels),
        *((images.factors[name], moved.factors[name]) for name in images.factors),
    ):
        assert after.device.type == device
        torch.testing.assert_close(after.cpu(), before)
    kept, held = moved.split(0.5, seed=0)
    assert kept.images.device.type == held.labels.device.type == device
    for here, there in zip(images.mean_std(), moved.mean_std(), strict=True):
        torch.testing.assert_close(there.cpu(), here)


IMAGES, LABELS = torch.zeros(2, 3, 4, 4, dtype=torch.uint8), torch.zeros(2, dtype=torch.int64)


@pytest.mark.parametrize(
    ("images", "labels", "factors", "message"),
    [
        (IMAGES.float(), LABELS, {}, "images must be uint8 .* got torch.float32"),
        (IMAGES[:, :1], LABELS, {}, r"images must be uint8 .* shape \(2, 1, 4, 4\)"),
        (IMAGES[0], LABELS, {}, r"images must be uint8 .* shape \(3, 4, 4\)"),
        (IMAGES[:0], LABELS[:0], {}, "images must hold at least one"),
        (IMAGES, LABELS.int(), {}, r"labels must be int64, got torch.int32; convert with .long"),
        (IMAGES, LABELS[:1], {}, "labels must have one row for each of 2 images"),
        (IMAGES, LABELS[:, None], {}, "labels must have one dimension"),
        (IMAGES, LABELS - 1, {}, r"labels must be in 0..1, .* got -1..-1"),
        (IMAGES, LABELS + 2, {}, r"labels must be in 0..1, .* got 2..2"),
        (IMAGES, LABELS, {"hue": LABELS[0]}, "hue must have one row for each of 2 images"),
        (IMAGES, LABELS, {"hue": LABELS.to("meta")}, "hue must be on the device of images, cpu"),
    ],
)
def test_checks(images, labels, factors, message):
    with pytest.raises(ValueError, match=message):
        ImageSet(images, labels, ("a", "b"), factors)


def test_missing_extras_are_named():
    """In a process of its own, since modules that are loaded stay loaded."""
    lines = [
        "import sys",
        "sys.modules |= dict.fromkeys(['PIL', 'requests', 'filelock', 'scipy.io', 'kornia'])",
        "from equiform.data import load_cifar10, load_cifar100, load_stl10, synthetic_shapes",
    ]
    for name in ("load_image_folder", "load_flowers102", "download_file"):
        lines += ["try:", f"    from equiform.data import {name}", "except ImportError as error:"]
        lines += ["    print(error)", "else:", f"    print('{name} was imported')"]
    run = [sys.executable, "-W", "ignore", "-c", "\n".join(lines)]
    output = subprocess.run(run, capture_output=True, text=True, check=True).stdout.splitlines()
    assert [line.split()[0] for line in output] == ["PIL", "PIL", "filelock"]
    assert all('run: pip install "equiform[images]"' in line for line in output)
