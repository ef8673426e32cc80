"""Colours and blur against colorsys, PIL and loops in numpy."""

import colorsys
import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image, ImageEnhance, ImageOps

from equiform.augment import (
    BlurParameters,
    ColorJitter,
    GaussianBlur,
    JitterParameters,
    RandomGrayscale,
    Solarize,
    SolarizeParameters,
    SwitchParameters,
)

seeds = st.integers(0, 2**31)
ORDERS = list(itertools.permutations(range(4)))


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def byte_images(max_n=3, min_side=1):
    side = st.integers(min_side, 6)
    shapes = st.tuples(st.integers(1, max_n), st.just(3), side, side)
    return shapes.flatmap(lambda shape: hnp.arrays(np.uint8, shape)).map(torch.from_numpy)


def jitter(order=(0, 1, 2, 3), brightness=1.0, contrast=1.0, saturation=1.0, hue=0.0):
    values = [torch.tensor([v], dtype=torch.float64) for v in (brightness, contrast, saturation)]
    return JitterParameters(
        torch.tensor([order]), *values, torch.tensor([hue], dtype=torch.float64)
    )


def luma(image):
    return 0.299 * image[0] + 0.587 * image[1] + 0.114 * image[2]


def turned(image, turns):
    """The hue of each pixel shifted by colorsys, one after the other."""
    result = np.empty_like(image)
    for i, j in np.ndindex(*image.shape[1:]):
        h, s, v = colorsys.rgb_to_hsv(*image[:, i, j])
        result[:, i, j] = colorsys.hsv_to_rgb((h + turns) % 1, s, v)
    return result


def jittered(image, parameters, i):
    """One image, its steps in its own order."""
    for step in parameters.order[i].tolist():
        if step == 3:
            image = turned(image, float(parameters.hue[i]))
            continue
        factor = float((parameters.brightness, parameters.contrast, parameters.saturation)[step][i])
        other = (0.0, luma(image).mean(), luma(image))[step]
        image = np.clip(factor * image + (1 - factor) * other, 0, 1)
    return image


@given(batch=byte_images(), seed=seeds)
def test_jitter_is_its_steps_in_order(batch, seed):
    augmentation = ColorJitter(0.8, 0.8, 0.8, 0.5)
    batch = batch.double() / 255
    parameters = augmentation.sample(len(batch), generator=generator(seed))
    result = augmentation.apply(batch, parameters)
    for i, image in enumerate(batch.numpy()):
        np.testing.assert_allclose(result[i].numpy(), jittered(image, parameters, i), atol=1e-9)


@pytest.mark.parametrize("order", ORDERS)
def test_every_order(order):
    parameters = jitter(order, 1.7, 0.3, 2.5, 0.21)
    image = torch.rand(1, 3, 4, 5, generator=generator(), dtype=torch.float64)
    result = ColorJitter().apply(image, parameters)
    expected = jittered(image[0].numpy(), parameters, 0)
    np.testing.assert_allclose(result[0].numpy(), expected, atol=1e-12)


@given(batch=byte_images(), turns=st.floats(-0.5, 0.5))
def test_hue_of_colorsys(batch, turns):
    images = batch.double() / 255
    result = ColorJitter().apply(images, jitter(hue=turns))
    for image, got in zip(images.numpy(), result.numpy(), strict=True):
        np.testing.assert_allclose(got, turned(image, turns), atol=1e-12)


@given(batch=byte_images())
def test_hue_keeps_value_range_and_greys_and_has_period_one(batch):
    images = batch.double() / 255
    result = ColorJitter().apply(images, jitter(hue=0.3))
    torch.testing.assert_close(result.amax(1), images.amax(1))
    torch.testing.assert_close(result.amin(1), images.amin(1))
    grey = images[:, :1].expand(-1, 3, -1, -1)
    assert torch.equal(ColorJitter().apply(grey, jitter(hue=0.3)), grey)
    back = ColorJitter().apply(ColorJitter().apply(images, jitter(hue=0.7)), jitter(hue=0.3))
    torch.testing.assert_close(back, images)


@pytest.mark.parametrize(
    ("name", "enhance"),
    [
        ("brightness", ImageEnhance.Brightness),
        ("contrast", ImageEnhance.Contrast),
        ("saturation", ImageEnhance.Color),
    ],
)
@given(batch=byte_images(max_n=1), factor=st.floats(0, 2))
def test_blends_of_pil(name, enhance, batch, factor):
    result = ColorJitter().apply(batch, jitter(**{name: factor}))
    image = Image.fromarray(batch[0].permute(1, 2, 0).numpy())
    expected = np.asarray(enhance(image).enhance(factor)).transpose(2, 0, 1)
    # PIL rounds the luma, its mean, and cuts the result: |1 - f| times one half twice, plus one.
    np.testing.assert_allclose(255 * result[0].numpy(), expected, atol=2.01)


@given(batch=byte_images(max_n=1))
def test_grayscale_of_pil(batch):
    result = RandomGrayscale().apply(batch, SwitchParameters(torch.tensor([True])))
    image = Image.fromarray(batch[0].permute(1, 2, 0).numpy()).convert("L")
    np.testing.assert_allclose(255 * result[0, 0].numpy(), np.asarray(image), atol=0.51)
    assert torch.equal(result, result[:, :1].expand_as(result))


@given(batch=byte_images(max_n=1), threshold=st.integers(0, 256))
def test_solarize_of_pil(batch, threshold):
    parameters = SolarizeParameters(torch.tensor([(threshold - 0.5) / 255]))
    result = Solarize().apply(batch, parameters)
    image = Image.fromarray(batch[0].permute(1, 2, 0).numpy())
    expected = np.asarray(ImageOps.solarize(image, threshold)).transpose(2, 0, 1)
    np.testing.assert_allclose(255 * result[0].numpy(), expected, atol=1e-4)


@given(batch=byte_images(min_side=3), size=st.sampled_from([1, 3, 5]), data=st.data())
def test_blur_is_a_convolution_with_a_gaussian(batch, size, data):
    n, radius = len(batch), size // 2
    sigma = data.draw(st.lists(st.floats(0.1, 4), min_size=n, max_size=n))
    images = batch.double() / 255
    parameters = BlurParameters(torch.tensor(sigma, dtype=torch.float64))
    result = GaussianBlur(size).apply(images, parameters)
    for image, got, s in zip(images.numpy(), result.numpy(), sigma, strict=True):
        weights = [math.exp(-(k**2) / (2 * s**2)) for k in range(-radius, radius + 1)]
        kernel = np.outer(weights, weights) / sum(weights) ** 2
        padded = np.pad(image, ((0, 0), (radius, radius), (radius, radius)), mode="reflect")
        expected = np.empty_like(image)
        for i, j in np.ndindex(*image.shape[1:]):
            expected[:, i, j] = (padded[:, i : i + size, j : j + size] * kernel).sum((1, 2))
        np.testing.assert_allclose(got, expected, atol=1e-12)


@given(value=st.floats(0, 1), seed=seeds)
def test_constants_survive_a_blur(value, seed):
    batch = torch.full((3, 3, 5, 4), value, dtype=torch.float64)
    result = GaussianBlur(5, p=1.0)(batch, generator=generator(seed))
    torch.testing.assert_close(result, batch)


@pytest.mark.parametrize(
    "augmentation",
    [
        ColorJitter(0.9, 0.9, 0.9, 0.5, p=0.0),
        ColorJitter(),
        RandomGrayscale(0.0),
        GaussianBlur(3, p=0.0),
        Solarize(p=0.0),
    ],
    ids=repr,
)
@given(batch=byte_images(min_side=2), seed=seeds)
def test_identity_parameters_change_no_bit(augmentation, batch, seed):
    assert torch.equal(augmentation(batch, generator=generator(seed)), batch / 255)


def test_white_and_black():
    batch = torch.stack([torch.ones(3, 4, 4), torch.zeros(3, 4, 4)])
    gray = RandomGrayscale(1.0)(batch)
    torch.testing.assert_close(gray, batch, rtol=0, atol=1e-7)
    assert torch.equal(Solarize(p=1.0)(batch), torch.zeros_like(batch))
    assert torch.equal(ColorJitter().apply(batch, jitter(brightness=0.5)), batch / 2)


def test_solarize_inverts_from_the_threshold_on():
    batch = torch.tensor([0.25, 0.25 - 2**-20, 0.75]).expand(1, 3, 1, 3)
    result = Solarize(0.25, p=1.0)(batch)
    assert result[0, 0, 0].tolist() == [0.75, 0.25 - 2**-20, 0.25]


@pytest.mark.parametrize("augmentation", [GaussianBlur(5, p=1.0), RandomGrayscale(1.0)], ids=repr)
def test_white_stays_in_range(augmentation):
    """The weights of a mean may sum to a little more than one."""
    result = augmentation(torch.ones(200, 3, 5, 5), generator=generator())
    torch.testing.assert_close(result, torch.ones_like(result))
    assert result.max() <= 1


def test_laws_of_the_jitter():
    n = 24_000
    sample = ColorJitter(0.4, 0.3, 1.5, 0.1, p=0.8).sample(n, generator=generator())
    changed = sample.hue != 0
    for name, low, high in [
        ("brightness", 0.6, 1.4),
        ("contrast", 0.7, 1.3),
        ("saturation", 0.0, 2.5),
        ("hue", -0.1, 0.1),
    ]:
        values = getattr(sample, name)
        drawn, left = values[changed].sort().values, values[~changed]
        error = (drawn - torch.linspace(low, high, len(drawn))).abs().max() / (high - low)
        assert float(error) < 0.02, name
        assert bool((left == (0 if name == "hue" else 1)).all())
    assert float(changed.double().mean()) == pytest.approx(0.8, abs=5 * 0.4 / math.sqrt(n))
    counts = torch.tensor([int((sample.order == torch.tensor(o)).all(1).sum()) for o in ORDERS])
    chi_squared = float(((counts - n / 24) ** 2 / (n / 24)).sum())
    assert int(counts.sum()) == n
    assert chi_squared < 50  # 23 degrees of freedom: 0.1 %


@pytest.mark.parametrize("p", [0.0, 0.2, 1.0])
def test_probabilities(p):
    n = 10_000
    for applied in (
        RandomGrayscale(p).sample(n, generator=generator()).on,
        Solarize(p=p).sample(n, generator=generator()).threshold <= 1,
        GaussianBlur(p=p).sample(n, generator=generator()).sigma > 0,
    ):
        rate = float(applied.double().mean())
        assert rate == pytest.approx(p, abs=5 * math.sqrt(p * (1 - p) / n))


def test_widths_of_the_blur():
    sigma = GaussianBlur(sigma=(0.5, 2.0), p=1.0).sample(10_000, generator=generator()).sigma
    uniform = torch.linspace(0.5, 2.0, 10_000)
    assert float((sigma.sort().values - uniform).abs().max()) < 0.03


@pytest.mark.parametrize(
    ("augmentation", "arguments", "message"),
    [
        (ColorJitter, {"brightness": -1.0}, "brightness must be finite and not negative, got -1.0"),
        (
            ColorJitter,
            {"saturation": math.nan},
            "saturation must be finite and not negative",
        ),
        (ColorJitter, {"hue": 0.6}, r"hue must be in \[0, 0.5\], got 0.6; in turns"),
        (ColorJitter, {"p": -0.1}, "p must be finite and not negative, got -0.1"),
        (RandomGrayscale, {"p": 2.0}, r"p must be in \[0, 1\], got 2"),
        (Solarize, {"p": 2.0}, r"p must be in \[0, 1\], got 2"),
        (Solarize, {"threshold": 128}, r"threshold must be in \[0, 1\], got 128; divide .* by 255"),
        (Solarize, {"threshold": math.nan}, "threshold must be finite"),
        (Solarize, {"threshold": -1.0}, "threshold must be finite and not negative"),
        (GaussianBlur, {"p": 2.0}, r"p must be in \[0, 1\], got 2"),
        (GaussianBlur, {"kernel_size": 4}, "kernel_size must be odd, got 4"),
        (GaussianBlur, {"kernel_size": 0}, "kernel_size must be at least 1"),
        (GaussianBlur, {"sigma": (0.0, 1.0)}, "sigma must be positive and finite, got 0"),
        (GaussianBlur, {"sigma": (2.0, 1.0)}, "sigma must be two positive numbers, low first"),
        (GaussianBlur, {"sigma": (1.0,)}, "sigma must be two positive numbers"),
    ],
)
def test_errors(augmentation, arguments, message):
    with pytest.raises(ValueError, match=message):
        augmentation(**arguments)


def test_a_blur_wider_than_the_image():
    with pytest.raises(ValueError, match=r"kernel_size=5 needs images of more than 2 pixels"):
        GaussianBlur(5)(torch.zeros(1, 3, 2, 9))
