"""What augmentations refuse: by name, where it is given, and not by torch."""

from functools import partial

import numpy as np
import pytest
import torch

from equiform.augment import (
    ColorJitter,
    Compose,
    GaussianBlur,
    HorizontalFlip,
    RandomGrayscale,
    RandomResizedCrop,
    Solarize,
    augment_chunks,
    care_views,
    fixed,
    normalize,
    simclr_augmentation,
    two_views,
    unit_interval,
)

FLIP, IMAGES = HorizontalFlip(), torch.rand(4, 3, 8, 8)
CROP, SIMCLR = RandomResizedCrop(8), simclr_augmentation(8)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        *((partial(kind, p=True), "p") for kind in (HorizontalFlip, RandomGrayscale, Solarize)),
        *((partial(kind, p="a"), "p") for kind in (ColorJitter, GaussianBlur, HorizontalFlip)),
        (partial(ColorJitter, brightness=True), "brightness"),
        (partial(ColorJitter, brightness=(0.5, 1.5)), "brightness"),
        (partial(ColorJitter, hue="a"), "hue"),
        (partial(Solarize, "0.5"), "threshold"),
        (partial(GaussianBlur, True), "kernel_size"),
        (partial(GaussianBlur, 3.0), "kernel_size"),
        (partial(GaussianBlur, sigma=1.0), "sigma"),
        (partial(GaussianBlur, sigma=("a", "b")), "sigma"),
        (partial(RandomResizedCrop, True), "size"),
        (partial(RandomResizedCrop, 8.0), "size"),
        (partial(RandomResizedCrop, (8, 8.0)), "size"),
        (partial(RandomResizedCrop, None), "size"),
        (partial(RandomResizedCrop, 8, scale=1), "scale"),
        (partial(RandomResizedCrop, 8, scale=torch.tensor(1.0)), "scale"),
        (partial(RandomResizedCrop, 8, ratio=(True, 2)), "ratio"),
        (partial(RandomResizedCrop, 8, antialias="no"), "antialias"),
        (partial(simclr_augmentation, kernel_size="3"), "kernel_size"),
        (partial(Compose, None), "steps"),
        (partial(Compose, [FLIP]), "steps"),
        (partial(Compose, FLIP, HorizontalFlip), r"steps must be .*; use HorizontalFlip"),
    ],
)
def test_options_of_a_wrong_type_are_refused_at_construction(make, match):
    with pytest.raises(TypeError, match=rf"^{match}\b"):
        make()


def test_wrong_augmentations_and_images_are_refused_by_name():
    views = (
        two_views,
        partial(augment_chunks, num_chunks=2),
        partial(care_views, num_chunks=2),
    )
    for call in views:
        for augmentation in (lambda x: x, HorizontalFlip, None):
            with pytest.raises(TypeError, match="augmentation must be an augmentation such as"):
                call(augmentation, IMAGES)
    for call in (*(partial(view, FLIP) for view in views), FLIP):
        for images in (IMAGES.numpy(), None, [1]):
            with pytest.raises(TypeError, match=r"images must be a tensor \(n, 3, H, W\), got"):
                call(images)
        with pytest.raises(TypeError, match="images must be uint8 or floating"):
            call(IMAGES.long())


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (partial(two_views, num_chunks=2.0), TypeError, "num_chunks must be an int"),
        (partial(care_views, num_chunks=None), TypeError, "num_chunks must be an int, got None"),
        (partial(augment_chunks, num_chunks="2"), TypeError, "num_chunks must be an int"),
        (partial(augment_chunks, num_chunks=-1), ValueError, "num_chunks must be at least 1"),
        (partial(two_views, generator=0), TypeError, "generator must be a torch.Generator"),
        (partial(two_views, world_size=1.0), TypeError, "world_size must be an int"),
        (partial(two_views, rank="0"), TypeError, "rank must be an int, got '0'"),
        (partial(two_views, rank=-1), ValueError, "rank must be at least 0, got rank=-1"),
    ],
)
def test_options_of_views_are_checked(call, error, match):
    with pytest.raises(error, match=match):
        call(FLIP, IMAGES)


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (partial(FLIP.sample, 2.0), TypeError, "n must be an int"),
        (partial(FLIP.sample, 2, generator=0), TypeError, "generator must be a torch.Generator"),
        (partial(FLIP.apply, IMAGES, None), TypeError, "parameters must be those of augmentation"),
        (partial(fixed, FLIP, IMAGES), TypeError, r"parameters must be .* HorizontalFlip.*Tensor"),
        (partial(fixed, FLIP, CROP.sample(1)), TypeError, "be .'Switch.*, got .'CropParameters"),
        (partial(FLIP.apply, IMAGES, CROP.sample(4)), TypeError, "be .'Switch.* got .'CropPara"),
        (partial(Compose(FLIP).apply, IMAGES, FLIP.sample(1)), TypeError, "be .'Composed.*'Switch"),
        (partial(SIMCLR.apply, IMAGES, Compose(FLIP).sample(1)), TypeError, "'Blur.*'Composed"),
        (partial(fixed, HorizontalFlip, FLIP.sample(1)), TypeError, r"use HorizontalFlip\("),
        (partial(normalize, IMAGES, 0.5, 0.5), ValueError, "mean and positive std need three"),
        (partial(normalize, IMAGES, "abc", [1, 1, 1]), TypeError, "mean and positive std need"),
        (partial(normalize, IMAGES, [1, np.nan, 1], [1, 1, 1]), ValueError, "need three values"),
        (partial(normalize, IMAGES, [1, 1, 1], [1, np.nan, 1]), ValueError, "need three values"),
        (partial(CROP.boxes, None, 8, 8), TypeError, "parameters must be those of augmentation"),
        (partial(CROP.boxes, CROP.sample(1), 8, 0.5), TypeError, "width must be an int, got 0.5"),
        (partial(CROP.sample(1).repeat, -1), ValueError, "repeats must be at least 0"),
        (partial(normalize, np.ones((1, 3, 2, 2)), 0.5, 0.5), TypeError, "images must be a tensor"),
    ],
)
def test_parameters_and_generators_are_checked(call, error, match):
    with pytest.raises(error, match=match):
        call()


@pytest.mark.parametrize(
    ("numpy", "python"),
    [
        (
            RandomResizedCrop(np.int64(8), scale=np.array([0.25, 1]), ratio=[1, 2]),
            RandomResizedCrop([8, 8], scale=(0.25, 1.0), ratio=(1.0, 2.0)),
        ),
        (ColorJitter(*map(np.float16, [0.5] * 5)), ColorJitter(*[0.5] * 5)),
        (Solarize(np.float32(0.5), np.float32(0.5)), Solarize(0.5, 0.5)),
        (GaussianBlur(np.int64(3), np.array([0.5, 2])), GaussianBlur(3, (0.5, 2.0))),
        (HorizontalFlip(np.float32(0.5)), FLIP),
    ],
)
def test_options_of_numpy_become_those_of_python(numpy, python):
    kinds = {type(value) for value in vars(numpy).values()}
    assert kinds <= {int, float, tuple, bool}
    assert repr(numpy) == repr(python)
    assert numpy(IMAGES).shape == IMAGES.shape


def test_counts_of_numpy_are_taken():
    one, two = np.int64(1), np.int64(2)
    generators = [torch.Generator().manual_seed(0) for _ in range(2)]
    views = care_views(SIMCLR, IMAGES, two, generator=generators[0], rank=one, world_size=two)
    expected = care_views(SIMCLR, IMAGES, 2, generator=generators[1], rank=1, world_size=2)
    assert all(map(torch.equal, views, expected))
    assert len(FLIP.sample(two).repeat(two)) == 4


@pytest.mark.parametrize(
    ("images", "values"),
    [
        (255 * IMAGES, r"[\d.]+ to 2\d\d"),
        (IMAGES.half() * 255, r"[\d.]+ to 2\d\d"),
        (IMAGES - 0.5, r"-0\.\d+ to"),
        (IMAGES.masked_fill(IMAGES[1, 2, 3, 4] == IMAGES, np.nan), "nan to nan"),
        (IMAGES.masked_fill(IMAGES[1, 2, 3, 4] == IMAGES, np.inf), r"[\d.]+ to inf"),
    ],
)
def test_floating_images_beyond_the_unit_interval_are_refused(images, values):
    for call in (FLIP, partial(SIMCLR.apply, parameters=SIMCLR.sample(1)), unit_interval):
        with pytest.raises(ValueError, match=rf"values in \[0, 1\], got {values}.* by 255, clamp"):
            call(images)
    with pytest.raises(ValueError, match=r"values in \[0, 1\], got"):
        normalize(images, (0.5, 0.5, 0.5), (0.2, 0.2, 0.2))


def test_what_is_beyond_it_by_rounding_is_clamped():
    result = FLIP(IMAGES.mul(0).add(1 + 1e-3))
    assert (result == 1).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_autocast_changes_nothing(dtype):
    images = IMAGES.to(dtype)
    calls = [*SIMCLR.steps, Solarize(), SIMCLR, lambda x, generator: normalize(x, *2 * [[0.5] * 3])]
    for call in calls:
        expected = call(images, generator=torch.Generator().manual_seed(0))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            result = call(images, generator=torch.Generator().manual_seed(0))
        assert result.dtype == expected.dtype == torch.promote_types(dtype, torch.float32)
        assert torch.equal(result, expected)  # one and the same computation twice
