"""The images of a run."""

from pathlib import Path

import pytest
import torch

from images.data import ImageBatches, load_images


def rows_of(images: torch.Tensor) -> set[bytes]:
    return {image.numpy().tobytes() for image in images}


def test_parts_of_the_data_do_not_overlap() -> None:
    splits = load_images("synthetic", size=8, validation=0.2, limit=100)
    assert splits.validation is not None
    assert len(splits.train) + len(splits.validation) == 100
    assert len(splits.test) == 1024
    assert splits.unlabelled is splits.train
    parts = [rows_of(part.images) for part in (splits.train, splits.validation, splits.test)]
    assert sum(map(len, parts)) == len(set().union(*parts))
    again = load_images("synthetic", size=8, validation=0.2, limit=100)
    assert torch.equal(again.train.images, splits.train.images)
    assert load_images("synthetic", size=8, validation=0.0).validation is None


def test_data_arguments_are_checked() -> None:
    with pytest.raises(ValueError, match="limit must be at least 1, got 0"):
        load_images("synthetic", size=8, limit=0)
    with pytest.raises(ValueError, match=r"dataset must be one of synthetic, .* got 'mnist'"):
        load_images("mnist", "x", size=8)
    with pytest.raises(ValueError, match="dataset='cifar10' needs root"):
        load_images("cifar10", size=8)


def test_a_folder_of_images_is_read(tmp_path: Path) -> None:
    pil = pytest.importorskip("PIL.Image")
    for part, values in (("train", (10, 20, 30)), ("test", (40,))):
        for name in ("cat", "dog"):
            (tmp_path / part / name).mkdir(parents=True)
            for value in values:
                pil.new("RGB", (9, 9), (value,) * 3).save(tmp_path / part / name / f"{value}.png")
    splits = load_images("folder", tmp_path, size=8, validation=0.34)
    assert splits.validation is not None
    assert [len(splits.train), len(splits.validation), len(splits.test)] == [4, 2, 2]
    assert splits.test.images.unique().tolist() == [40]


def test_batches_are_an_epoch_without_repeats() -> None:
    images = torch.arange(22, dtype=torch.uint8)[:, None, None, None].expand(-1, 3, 2, 2)
    batches = ImageBatches(images, 5, torch.Generator().manual_seed(0))
    first, second = (torch.cat(list(batches))[:, 0, 0, 0].tolist() for _ in range(2))
    assert len(batches) == 4
    assert len(set(first)) == len(set(second)) == 20
    assert first != second
    with pytest.raises(ValueError, match="batch_size must be between 1 and the 22 images, got 23"):
        ImageBatches(images, 23, torch.Generator())
