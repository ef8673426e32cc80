"""Shapes cover what their outlines enclose, in the colour and pose that their factors say."""

import colorsys
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.path import Path as Outline
from numpy.typing import NDArray

from equiform.data import synthetic_shapes
from equiform.data.shapes import hsv_to_rgb, render

CLASSES = synthetic_shapes(1).classes


def polygon(*radii: float, tips: int) -> NDArray[np.float64]:
    """Corners at the radii in turn, the first at angle 0."""
    count = tips * len(radii)
    angle = 2 * np.pi * np.arange(count) / count
    return np.tile(radii, tips)[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])


OUTLINES = {
    "triangle": polygon(1, tips=3),
    "square": polygon(1, tips=4),
    "pentagon": polygon(1, tips=5),
    "star": polygon(1, 0.45, tips=5),
}


def inside(name: str, u: NDArray[np.float64], v: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether points are in a shape about the origin, of radius 1 and not turned."""
    square = u**2 + v**2
    if name == "disc":
        return square < 1
    if name == "ring":
        return (square < 1) & (square > 0.25)
    if name == "crescent":
        return (square < 1) & ((u - 0.5) ** 2 + v**2 > 0.64)
    if name == "cross":  # corners on the unit circle, bars 0.35 as wide as long
        unit = math.sqrt(1 + 0.35**2)
        along, across = 1 / unit, 0.35 / unit
        bar = (np.abs(u) < along) & (np.abs(v) < across)
        return bar | ((np.abs(v) < along) & (np.abs(u) < across))
    points = np.column_stack([u.ravel(), v.ravel()])
    return Outline(OUTLINES[name]).contains_points(points).reshape(u.shape)


def fractions(name: str, x: float, y: float, scale: float, angle: float, size: int) -> NDArray:
    """Covered part of each pixel, by 8 × 8 samples in each."""
    at = (np.arange(8 * size) + 0.5) / (4 * size) - 1
    down, right = np.meshgrid(at - y, at - x, indexing="ij")
    turned = np.exp(-1j * angle) * (right + 1j * down) / scale
    return inside(name, turned.real, turned.imag).reshape(size, 8, size, 8).mean((1, 3))


@pytest.mark.parametrize("label", range(len(CLASSES)), ids=CLASSES)
@given(
    x=st.floats(-0.3, 0.3),
    y=st.floats(-0.3, 0.3),
    scale=st.floats(0.35, 0.65),
    angle=st.floats(0, 6.28),
    size=st.sampled_from([32, 33, 64]),
)
def test_coverage(label, x, y, scale, angle, size):
    pose = {"x": x, "y": y, "scale": scale, "angle": angle}
    tensors = {name: torch.tensor([value]) for name, value in pose.items()}
    coverage, light = render(label, size=size, **tensors)
    expected = fractions(CLASSES[label], size=size, **pose)
    difference = coverage[0].numpy() - expected
    # A ramp across the edge is off by less than half a pixel where a corner ends within it, by
    # little on average over the edge, and not to one side: also at a radius of six pixels.
    assert np.abs(difference).max() < 0.5
    on_edge = ((expected > 0) & (expected < 1)) | (difference != 0)
    assert np.abs(difference)[on_edge].sum() <= 0.15 * on_edge.sum()
    assert abs(difference.sum()) < 0.08 * expected.sum()
    assert light.min() >= 0
    assert light.max() <= 1


@pytest.mark.parametrize(
    ("name", "area"),
    [
        ("disc", math.pi),
        ("ring", 0.75 * math.pi),
        ("triangle", 3 * math.sqrt(3) / 4),
        ("square", 2),
        ("pentagon", 2.5 * math.sin(2 * math.pi / 5)),
        ("star", 5 * 0.45 * math.sin(math.pi / 5)),
        ("cross", 4 * (2 * 0.35 - 0.35**2) / (1 + 0.35**2)),
    ],
)
def test_area(name, area):
    zero, scale = torch.zeros(1), torch.tensor([0.9])
    pose = {"x": zero, "y": zero, "scale": scale, "angle": zero + 0.3}
    coverage, _ = render(CLASSES.index(name), size=256, **pose)
    assert float(coverage.sum()) * (2 / 256) ** 2 == pytest.approx(area * 0.81, rel=2e-3)


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_colours(hue, saturation, value):
    found = hsv_to_rgb(*(torch.tensor([c], dtype=torch.float64) for c in (hue, saturation, value)))
    np.testing.assert_allclose(found[0], colorsys.hsv_to_rgb(hue, saturation, value), atol=1e-6)


def test_pixels_have_the_hue_and_place_that_the_factors_say():
    shapes = synthetic_shapes(80, size=64, seed=3)
    f = shapes.factors
    for i in range(len(shapes)):
        pose = {name: f[name][i : i + 1] for name in ("x", "y", "scale", "angle")}
        within = render(int(shapes.labels[i]), size=64, **pose)[0][0] == 1
        red, green, blue = (shapes.images[i][:, within].double().mean(1) / 255).tolist()
        hue, saturation, _ = colorsys.rgb_to_hsv(red, green, blue)
        apart = abs(hue - float(f["hue"][i]))
        assert min(apart, 1 - apart) < 0.02
        assert saturation > 0.5


def test_light_turns_with_the_shape():
    """On a disc, the brightest side is where the angle points."""
    shapes = synthetic_shapes(200, size=64)
    at = (torch.arange(64) + 0.5) / 32 - 1
    discs = (shapes.labels == CLASSES.index("disc")).nonzero()[:, 0]
    assert len(discs) == 25
    for i in discs:
        pose = {name: shapes.factors[name][i : i + 1] for name in ("x", "y", "scale", "angle")}
        within = render(0, size=64, **pose)[0][0] == 1
        brightness = shapes.images[i].double().sum(0) * within
        brightness -= within * (brightness.sum() / within.sum())
        angle = torch.atan2((brightness.sum(1) * at).sum(), (brightness.sum(0) * at).sum())
        assert math.cos(angle - pose["angle"].item()) > 0.98


@pytest.mark.parametrize(("n", "size"), [(1, 32), (7, 1), (13, 17), (300, 8)])
def test_sets(n, size):
    shapes = synthetic_shapes(n, size=size, seed=5)
    assert shapes.images.shape == (n, 3, size, size)
    assert shapes.factors.keys() == {"hue", "x", "y", "scale", "angle"}
    counts = shapes.labels.bincount(minlength=len(CLASSES))
    assert counts.max() - counts.min() <= 1
    f = shapes.factors
    assert all(values.shape == (n,) and values.dtype == torch.float32 for values in f.values())
    # The circle about a shape is within the image.
    for centre in (f["x"], f["y"]):
        assert (centre.abs() + f["scale"] <= 1 + 1e-6).all()
    assert ((f["angle"] >= 0) & (f["angle"] <= 2 * math.pi)).all()
    assert ((f["hue"] >= 0) & (f["hue"] <= 1)).all()


def test_the_seed_decides():
    first, again, other = (synthetic_shapes(20, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(first.images, again.images)
    assert torch.equal(first.labels, again.labels)
    assert not torch.equal(first.images, other.images)
    state = torch.get_rng_state()
    synthetic_shapes(3)
    assert torch.equal(torch.get_rng_state(), state)


def test_no_linear_map_of_the_pixels_tells_the_shapes():
    shapes = synthetic_shapes(2500)
    pixels = shapes.images.flatten(1).double() / 255
    pixels -= pixels.mean(0)
    target = torch.nn.functional.one_hot(shapes.labels).double() - 1 / len(CLASSES)
    train, test = pixels[:2000], pixels[2000:]
    for ridge in (1, 100):
        gram = train @ train.mT + ridge * torch.eye(len(train), dtype=torch.float64)
        scores = test @ (train.mT @ torch.linalg.solve(gram, target[:2000]))
        accuracy = (scores.argmax(1) == shapes.labels[2000:]).double().mean()
        assert accuracy < 0.25  # chance is 0.125


@pytest.mark.parametrize(("n", "size"), [(0, 32), (1, 0), (-1, 32)])
def test_arguments(n, size):
    with pytest.raises(ValueError, match=f"at least 1, got n={n}, size={size}"):
        synthetic_shapes(n, size=size)
