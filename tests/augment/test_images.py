"""Parameters decide everything: who shares them is equal, and they replay, on any image type."""

import pickle

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from equiform import EuclideanForm
from equiform.augment import (
    ColorJitter,
    Compose,
    GaussianBlur,
    HorizontalFlip,
    RandomGrayscale,
    RandomResizedCrop,
    Solarize,
    augment_chunks,
    fixed,
    normalize,
    simclr_augmentation,
    unit_interval,
)

#: Each transform, always applied, so that two draws of a continuous one never agree.
CONTINUOUS = {
    "crop": RandomResizedCrop(9, scale=(0.2, 1.0)),
    "jitter": ColorJitter(0.4, 0.4, 0.4, 0.1),
    "blur": GaussianBlur(3, p=1.0),
    "simclr": Compose(RandomResizedCrop((7, 11)), ColorJitter(0.4, 0.4, 0.4, 0.1), GaussianBlur()),
}
SWITCHES = {
    "flip": HorizontalFlip(),
    "grayscale": RandomGrayscale(0.5),
    "solarize": Solarize(),
}
AUGMENTATIONS = CONTINUOUS | SWITCHES | {"recipe": simclr_augmentation(8)}

every = pytest.mark.parametrize("augmentation", AUGMENTATIONS.values(), ids=AUGMENTATIONS.keys())


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def images(n, height=13, width=10, seed=0):
    shape = (n, 3, height, width)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator(seed))


def tensors(parameters):
    """All tensors of some parameters, in order."""
    found = []
    parameters.map(lambda tensor: found.append(tensor) or tensor)
    return found


def rounding(result, side=13):
    """How far apart equal images of one transformation may come out at two places of a batch.

    A crop sums weighted pixels along both sides: sums of s terms whose roundings, u = ε/2 each,
    have random signs are right to u √s, and two passes at two places add up to ε √s. Colours
    magnify that by up to 7 in the turn of the hue and by 1.4 in each of three blends; the hue, of
    up to 14, rounds by 8 u, thrice.
    """
    return torch.finfo(result.dtype).eps * (7 * 1.4**3 * side**0.5 + 12)


def apart(a, b):
    """By how much the two images of each pair differ, in the pixel where they do most."""
    return (a - b).flatten(1).abs().amax(1)


@st.composite
def image_batches(draw, min_side=3):
    shape = (draw(st.integers(1, 5)), 3, *draw(st.tuples(*[st.integers(min_side, 12)] * 2)))
    batch = torch.from_numpy(draw(hnp.arrays(np.uint8, shape)))
    dtype = draw(st.sampled_from([torch.uint8, torch.float32, torch.float64]))
    return batch if dtype == torch.uint8 else batch.to(dtype) / 255


@every
@given(batch=image_batches(), seed=st.integers(0, 2**31))
def test_contract(augmentation, batch, seed):
    """Shape, type, range, inputs untouched, the same bits again."""
    before = batch.clone()
    parameters = augmentation.sample(len(batch), generator=generator(seed))
    saved = [tensor.clone() for tensor in tensors(parameters)]
    result = augmentation.apply(batch, parameters)
    assert result.shape[:2] == batch.shape[:2]
    assert result.dtype == (torch.float64 if batch.dtype == torch.float64 else torch.float32)
    assert result.min() >= 0
    assert result.max() <= 1
    assert torch.equal(batch, before)
    assert all(map(torch.equal, tensors(parameters), saved))
    assert torch.equal(augmentation.apply(batch, parameters), result)
    assert torch.equal(augmentation(batch, generator=generator(seed)), result)
    result.zero_()
    assert torch.equal(batch, before)


@every
@given(
    image=image_batches().map(lambda batch: batch[:1]),
    chunks=st.integers(2, 4),
    size=st.integers(1, 9),
    seed=st.integers(0, 2**31),
)
def test_identical_images_of_a_chunk_stay_alike(augmentation, image, chunks, size, seed):
    batch = image.expand(chunks * size, -1, -1, -1)
    result, parameters = augment_chunks(augmentation, batch, chunks, generator=generator(seed))
    assert len(parameters) == chunks
    firsts = result[::size].repeat_interleave(size, 0)
    assert apart(result, firsts).max() <= rounding(result)


@every
@given(batch=image_batches(), seed=st.integers(0, 2**31))
def test_one_image_does_not_depend_on_the_others(augmentation, batch, seed):
    parameters = augmentation.sample(len(batch), generator=generator(seed))
    result = augmentation.apply(batch, parameters)
    for i in range(len(batch)):
        alone = augmentation.apply(batch[i : i + 1], parameters[i])
        assert apart(alone, result[i : i + 1]) <= rounding(result)


@every
def test_non_contiguous_images(augmentation):
    batch = unit_interval(images(6))
    parameters = augmentation.sample(3, generator=generator())
    expected = augmentation.apply(batch[::2].contiguous(), parameters)
    channels_last = batch[::2].contiguous(memory_format=torch.channels_last)
    for same in (batch[::2], channels_last, batch[::2].mT.contiguous().mT):
        torch.testing.assert_close(augmentation.apply(same, parameters), expected)


@every
def test_double_precision_agrees(augmentation):
    batch = images(4)
    parameters = augmentation.sample(4, generator=generator())
    double = augmentation.apply(batch.double() / 255, parameters)
    single = augmentation.apply(batch, parameters).double()
    # Some roundings of six times the hue, each of 2^-22.
    torch.testing.assert_close(single, double, rtol=0, atol=4e-6)
    half = augmentation.apply((batch.double() / 255).half(), parameters)
    assert half.dtype == torch.float32


@every
def test_generators(augmentation):
    draw = [tensors(augmentation.sample(40, generator=generator(seed))) for seed in (3, 3, 4)]
    assert all(map(torch.equal, draw[0], draw[1]))
    # As the ranks of a distributed run, with seeds of their own.
    assert not all(map(torch.equal, draw[0], draw[2]))
    torch.manual_seed(5)
    default = tensors(augmentation.sample(40))
    torch.manual_seed(5)
    assert all(map(torch.equal, default, tensors(augmentation.sample(40))))


@every
def test_indexing_repeating_and_pickling(augmentation):
    parameters = augmentation.sample(5, generator=generator())
    assert len(parameters) == 5
    assert len(parameters[-1]) == 1
    for one in (np.int64(1), torch.tensor(1), -4):
        for tensor, whole in zip(tensors(parameters[one]), tensors(parameters), strict=True):
            assert torch.equal(tensor, whole[[1]])
    assert len(augmentation.sample(0)) == 0
    assert augmentation.apply(images(0), augmentation.sample(0)).shape[0] == 0
    for picked in (parameters[1:4:2], parameters[[1, 3]], parameters[torch.tensor([1, 3])]):
        for tensor, whole in zip(tensors(picked), tensors(parameters), strict=True):
            assert torch.equal(tensor, whole[[1, 3]])
    for tensor, whole in zip(tensors(parameters.repeat(2)), tensors(parameters), strict=True):
        assert torch.equal(tensor, whole[[0, 0, 1, 1, 2, 2, 3, 3, 4, 4]])
    assert [len(one) for one in parameters] == [1] * 5
    batch = images(3)
    transformation = fixed(augmentation, parameters[2])
    result = transformation(batch)
    assert torch.equal(result, augmentation.apply(batch, parameters[[2, 2, 2]]))
    assert torch.equal(pickle.loads(pickle.dumps(transformation))(batch), result)


@every
def test_chunks_replay_by_their_parameters(augmentation):
    batch = images(6)
    result, parameters = augment_chunks(augmentation, batch, 3, generator=generator())
    assert torch.equal(augmentation.apply(batch, parameters.repeat(2)), result)
    for chunk in range(3):
        rows = slice(2 * chunk, 2 * chunk + 2)
        torch.testing.assert_close(
            fixed(augmentation, parameters[chunk])(batch[rows]), result[rows]
        )


def test_autocast_and_gradients_stay_out():
    batch = unit_interval(images(2)).requires_grad_()
    augmentation = simclr_augmentation(8)
    parameters = augmentation.sample(2, generator=generator())
    expected = augmentation.apply(batch, parameters)
    assert not expected.requires_grad
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(augmentation.apply(batch, parameters), expected)


def test_a_flip_is_recovered_as_its_permutation():
    """On pixels as embeddings, a flip *is* an isometry: the group finds it from pairs."""
    batch = torch.rand(90, 3, 2, 4, generator=generator(), dtype=torch.float64)
    flip = fixed(HorizontalFlip(), HorizontalFlip(1.0).sample(1))
    permutation = torch.eye(24, dtype=torch.float64).unflatten(0, (3, 2, 4)).flip(2).flatten(0, 2)
    group = EuclideanForm().isometry_group(24)
    recovery = group.recover(batch.flatten(1), flip(batch).flatten(1))
    torch.testing.assert_close(recovery.matrix, permutation, rtol=0, atol=1e-12)


def test_composition_is_one_after_the_other():
    first, second = RandomResizedCrop(6), ColorJitter(0.4, 0.4, 0.4, 0.1)
    both, batch = Compose(first, second), images(4)
    parameters = both.sample(4, generator=generator())
    step = first.apply(batch, parameters.steps[0])
    # Between the steps `apply` cuts what rounding put above 1, and a composition does not.
    result = both.apply(batch, parameters)
    assert apart(result, second.apply(step, parameters.steps[1])).max() <= rounding(result)
    assert repr(both) == f"Compose({first!r}, {second!r})"


def test_normalize():
    batch, mean, std = images(2), (0.49, 0.48, 0.45), (0.25, 0.24, 0.26)
    expected = (batch.double().numpy() / 255 - np.reshape(mean, (3, 1, 1))) / np.reshape(
        std, (3, 1, 1)
    )
    result = normalize(batch.double() / 255, mean, std)
    torch.testing.assert_close(result, torch.from_numpy(expected), rtol=0, atol=1e-14)
    torch.testing.assert_close(normalize(batch, mean, std), result.float(), rtol=0, atol=2e-6)
    with pytest.raises(ValueError, match="positive std need three values"):
        normalize(batch, mean, (1.0, 0.0, 1.0))
    with pytest.raises(ValueError, match="three values, got"):
        normalize(batch, (0.5,), std)


def test_errors():
    flip, parameters = HorizontalFlip(), HorizontalFlip().sample(3)
    with pytest.raises(ValueError, match="n must be at least 0, got n=-1"):
        flip.sample(-1)
    with pytest.raises(ValueError, match="4 images need as many parameters, or one, got 3"):
        flip.apply(images(4), parameters)
    with pytest.raises(ValueError, match=r"one transformation, got 3; use parameters\[i\]"):
        fixed(flip, parameters)
    with pytest.raises(ValueError, match=r"shape \(n, 3, H, W\), got \(3, 4, 4\)"):
        flip.apply(torch.zeros(3, 4, 4), parameters)
    with pytest.raises(
        TypeError, match=r"uint8 or floating, got torch.int64; use images.to\(torch.uint8\)"
    ):
        flip.apply(torch.zeros(3, 3, 4, 4, dtype=torch.int64), parameters)
    with pytest.raises(ValueError, match="at least one augmentation"):
        Compose()
