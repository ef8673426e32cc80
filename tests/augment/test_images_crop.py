"""Crops and flips against PIL, torch's interpolation and torchvision's rule in a loop."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from equiform.augment import CropParameters, HorizontalFlip, RandomResizedCrop, SwitchParameters

sides = st.integers(1, 40)
seeds = st.integers(0, 2**31)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def noise(n, height, width, seed=0, dtype=torch.float32):
    return torch.rand(n, 3, height, width, generator=generator(seed), dtype=dtype)


def crops(area, ratio, top=0.0, left=0.0):
    """One crop with the same candidate in all attempts."""
    return CropParameters(
        torch.full((1, 10), area),
        torch.full((1, 10), ratio),
        torch.tensor([top]),
        torch.tensor([left]),
    )


@given(height=sides, width=sides, out=st.tuples(sides, sides), seed=seeds)
def test_pil(height, width, out, seed):
    """PIL resizes each channel of the box as floats, with its antialiasing triangle."""
    crop = RandomResizedCrop(out, scale=(0.05, 1.0), ratio=(0.5, 2.0))
    batch = noise(3, height, width, seed)
    parameters = crop.sample(3, generator=generator(seed))
    result = crop.apply(batch, parameters)
    for image, cropped, box in zip(
        batch, result, crop.boxes(parameters, height, width).tolist(), strict=True
    ):
        top, left, h, w = box
        for channel, got in zip(image.numpy(), cropped.numpy(), strict=True):
            pil = Image.fromarray(channel).crop((left, top, left + w, top + h))
            expected = np.asarray(pil.resize(out[::-1], Image.Resampling.BILINEAR))
            np.testing.assert_allclose(got, expected, atol=1e-6)


# To a width of 1, torch 2.13's antialiased resize of a box of width 1 repeats the first row.
@given(
    height=sides,
    width=sides,
    out=st.tuples(sides, st.integers(2, 40)),
    seed=seeds,
    antialias=st.booleans(),
)
def test_interpolate(height, width, out, seed, antialias):
    crop = RandomResizedCrop(out, scale=(0.05, 1.0), ratio=(0.5, 2.0), antialias=antialias)
    batch = noise(3, height, width, seed, dtype=torch.float64)
    parameters = crop.sample(3, generator=generator(seed))
    result = crop.apply(batch, parameters)
    for i, (top, left, h, w) in enumerate(crop.boxes(parameters, height, width).tolist()):
        box = batch[i : i + 1, :, top : top + h, left : left + w]
        expected = torch.nn.functional.interpolate(box, out, mode="bilinear", antialias=antialias)
        torch.testing.assert_close(result[i], expected[0], rtol=0, atol=1e-12)


@given(height=sides, width=sides, seed=seeds)
def test_boxes_are_those_of_torchvision(height, width, seed):
    """`RandomResizedCrop.get_params`, written out, with the random numbers of the parameters."""
    crop = RandomResizedCrop(4, scale=(0.3, 1.0))
    parameters = crop.sample(5, generator=generator(seed))
    for i, box in enumerate(crop.boxes(parameters, height, width).tolist()):
        top, left, h, w = box
        for area, ratio in zip(parameters.area[i], parameters.ratio[i], strict=True):
            target = np.float32(area) * np.float32(height * width)
            want_w = round(float(np.sqrt(target * np.float32(ratio))))
            want_h = round(float(np.sqrt(target / np.float32(ratio))))
            if 0 < want_w <= width and 0 < want_h <= height:
                assert (h, w) == (want_h, want_w)
                assert top == min(int(parameters.top[i] * (height - h + 1)), height - h)
                assert left == min(int(parameters.left[i] * (width - w + 1)), width - w)
                break
        else:
            in_ratio = width / height
            want_h, want_w = height, width
            if in_ratio < 3 / 4:
                want_h = round(width / (3 / 4))
            elif in_ratio > 4 / 3:
                want_w = round(height * (4 / 3))
            assert (h, w) == (want_h, want_w)
            assert (top, left) == ((height - h) // 2, (width - w) // 2)


@pytest.mark.parametrize(("height", "width"), [(4, 40), (40, 4)])
def test_long_images_fall_back_to_the_centre(height, width):
    """No box of the whole area has a ratio near 1 here, so every image takes the central box."""
    crop = RandomResizedCrop(4, scale=(1.0, 1.0))
    boxes = crop.boxes(crop.sample(6, generator=generator()), height, width)
    central = [0, 17, 4, 5] if width > height else [17, 0, 5, 4]
    assert boxes.tolist() == [central] * 6


def test_places_reach_both_ends_and_never_leave():
    crop = RandomResizedCrop(4)
    for side in (3, 5, 7, 33, 224):
        end = side - round(side / 2)
        # 1 - 2^-24 is the largest that torch.rand returns.
        for at, expected in ((0.0, 0), (1 - 2**-24, end), (1.0, end)):
            box = crop.boxes(crops(0.25, 1.0, at, at), side, side)[0].tolist()
            assert box == [expected, expected, round(side / 2), round(side / 2)]


def test_distribution():
    """On a large square image the first draw nearly always fits, and the laws are visible."""
    crop = RandomResizedCrop(32, scale=(0.2, 0.6))
    n, side = 20_000, 1000
    top, left, h, w = crop.boxes(crop.sample(n, generator=generator()), side, side).double().T
    for name, sample, (low, high) in [
        ("area", h * w / side**2, (0.2, 0.6)),
        ("log ratio", (w / h).log(), (math.log(3 / 4), math.log(4 / 3))),
        ("top", top / (side - h), (0, 1)),
        ("left", left / (side - w), (0, 1)),
    ]:
        uniform = torch.linspace(low, high, n, dtype=torch.float64)
        error = (sample.sort().values - uniform).abs().max() / (high - low)
        assert float(error) < 0.02, name  # Kolmogorov-Smirnov: 0.0115 at the level of 1 %


@given(side=sides, seed=seeds)
def test_whole_image_is_the_identity(side, seed):
    batch = noise(2, side, side, seed)
    assert torch.equal(RandomResizedCrop(side).apply(batch, crops(1.0, 1.0)), batch)


@given(height=sides, width=sides, value=st.floats(0, 1), seed=seeds, antialias=st.booleans())
def test_constants_stay(height, width, value, seed, antialias):
    batch = torch.full((3, 3, height, width), value, dtype=torch.float64)
    crop = RandomResizedCrop(5, antialias=antialias)
    result = crop(batch, generator=generator(seed))
    torch.testing.assert_close(result, torch.full_like(result, value), rtol=0, atol=1e-14)


@given(height=sides, width=sides, seed=seeds)
def test_flips(height, width, seed):
    batch, flip = noise(4, height, width, seed), HorizontalFlip()
    parameters = SwitchParameters(torch.tensor([True, False, True, False]))
    result = flip.apply(batch, parameters)
    assert np.array_equal(result[::2], batch.numpy()[::2, :, :, ::-1])
    assert torch.equal(result[1::2], batch[1::2])
    assert torch.equal(flip.apply(result, parameters), batch)


@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
def test_flip_probability(p):
    n = 10_000
    rate = HorizontalFlip(p).sample(n, generator=generator()).on.double().mean()
    assert float(rate) == pytest.approx(p, abs=5 * math.sqrt(p * (1 - p) / n))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": 0}, "size must be at least 1, got size=0"),
        ({"size": (4, 4, 4)}, "size must be one or two positive"),
        ({"size": 4, "scale": (0.5, 0.2)}, r"scale must be two positive numbers, low first"),
        ({"size": 4, "scale": (0.5, 1.2)}, r"scale must be in \[0, 1\], got 1.2, of the area"),
        ({"size": 4, "ratio": (0.0, 1.0)}, "ratio must be positive and finite, got 0"),
    ],
)
def test_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        RandomResizedCrop(**arguments)


def test_probability_error():
    with pytest.raises(ValueError, match=r"p must be in \[0, 1\], got 1.5"):
        HorizontalFlip(1.5)
