"""Runs on images: presets, data, evaluation, and exact resumption after a kill."""

import csv
import hashlib
import json
from dataclasses import fields, replace
from pathlib import Path

import pytest
import torch

from equiform.augment import HorizontalFlip, simclr_augmentation, unit_interval
from equiform.data import synthetic_shapes
from equiform.training import CheckpointError
from images.data import ImageSplits
from images.evaluation import equivariance_scores
from images.moved import embed_moved
from images.parts import (
    build_augmentation,
    build_encoder,
    build_objective,
    build_optimizer,
)
from images.settings import PRESETS, Settings
from images.train import evaluate_images, load_run, train_images

TINY = Settings(
    width=2,
    head=(8, 4),
    image_size=8,
    epochs=3,
    batch_size=16,
    num_chunks=4,
    queue_size=24,
    measure_every=2,
    probe_epochs=2,
)


def tiny_splits() -> ImageSplits:
    train, held_out = synthetic_shapes(64, size=8, seed=1).split(0.25, seed=0)
    return ImageSplits(train, train, held_out, synthetic_shapes(24, size=8, seed=2))


def weights(encoder: torch.nn.Module) -> str:
    digest = hashlib.sha256()
    for value in encoder.state_dict().values():
        digest.update(value.numpy().tobytes())
    return digest.hexdigest()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("run")
    encoder, history = train_images(TINY, tiny_splits(), folder, seed=3)
    return folder, encoder, history


def test_a_folder_holds_the_run(run) -> None:
    folder, encoder, history = run
    loaded, settings = load_run(folder)
    assert settings == TINY
    assert not any(part.training for part in loaded.modules())
    x = tiny_splits().test.images
    assert torch.equal(loaded(x), encoder(x))
    rows = list(csv.DictReader((folder / "log.csv").read_text().splitlines()))
    assert [float(row["loss"]) for row in rows] == history.losses
    assert [bool(row["knn"]) for row in rows] == [False, True, True]
    measured = {"knn", "gamma_b", "gamma_f"}
    terms = {"loss", "contrastive", "equivariance", "distance", "invariance", "positive_cosine"}
    assert set(rows[0]) == measured | terms | {"epoch", "learning_rate", "seconds"}


def test_a_seed_decides_a_run(run, tmp_path: Path) -> None:
    same, _ = train_images(TINY, tiny_splits(), tmp_path / "a", seed=3)
    other, _ = train_images(TINY, tiny_splits(), tmp_path / "b", seed=4)
    assert weights(same) == weights(run[1]) != weights(other)


def test_test_images_are_not_looked_at_in_training(run, tmp_path: Path) -> None:
    class Untouchable:
        def __getattr__(self, name: str) -> object:
            raise AssertionError(f"training read test.{name}")

    splits = tiny_splits()._replace(test=Untouchable())  # pyright: ignore
    encoder, _ = train_images(TINY, splits, tmp_path, seed=3)
    assert weights(encoder) == weights(run[1])


def test_measuring_changes_nothing(run, tmp_path: Path) -> None:
    blind = tiny_splits()._replace(validation=None)
    encoder, history = train_images(TINY, blind, tmp_path, seed=3)
    assert weights(encoder) == weights(run[1])
    assert "knn" not in history.rows[-1]


def test_another_configuration_is_refused(run) -> None:
    with pytest.raises(CheckpointError, match=r"weight: 0\.01 there, 0\.5 here"):
        train_images(replace(TINY, weight=0.5), tiny_splits(), run[0], seed=3, resume=True)


@pytest.mark.filterwarnings("ignore::UserWarning")  # so few steps leave little of the dimensions
@pytest.mark.parametrize("manifold", ["sphere", "hyperboloid"])
def test_evaluation(manifold: str, tmp_path: Path) -> None:
    settings = replace(TINY, manifold=manifold, epochs=1)
    encoder, _ = train_images(settings, tiny_splits(), tmp_path)
    scores = evaluate_images(encoder, settings, tiny_splits())
    assert 0 <= scores["probe_top1"] <= 1
    assert len(scores["probe_top1_each"]) == 3
    assert len(scores["wahba_each"]) == 20
    assert scores["wahba_worst"] == max(scores["wahba_each"])
    # The class averages over transformations what the function gives of each.
    assert scores["wahba"] == pytest.approx(sum(scores["wahba_each"]) / 20, rel=1e-4)
    assert scores["wahba_low"] <= scores["wahba"] <= scores["wahba_high"]
    assert 0 <= scores["gamma_b"] <= 1
    assert ("wahba_so" in scores) == ("gamma_f" in scores) == (manifold == "sphere")
    json.dumps(scores, allow_nan=False)
    validation = evaluate_images(encoder, settings, tiny_splits(), test=False)
    assert validation["wahba"] != scores["wahba"]
    with pytest.raises(ValueError, match="test=False needs validation images"):
        evaluate_images(encoder, settings, tiny_splits()._replace(validation=None), test=False)


def test_an_encoder_that_turns_with_its_input_has_no_error() -> None:
    def brightness(x: torch.Tensor) -> torch.Tensor:
        return unit_interval(x).unflatten(-1, (2, -1)).mean((1, 2, 4))

    class Pixels(torch.nn.Module):
        """Brightness left and right, less a half; mirroring swaps the two."""

        dim = 2
        manifold = build_encoder(TINY).manifold

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.manifold.project(brightness(x) - 0.5)

    halves = torch.randint(256, (40, 1, 1, 2), dtype=torch.uint8)
    images = halves.repeat_interleave(4, -1).expand(-1, 3, 8, 8)
    flip = HorizontalFlip(1.0)
    moved = embed_moved(Pixels().eval(), images, flip, flip.sample(3))  # pyright: ignore
    scores = equivariance_scores(moved, Pixels.manifold)
    assert scores["wahba"] < 1e-3 < 0.1 < scores["wahba_so"]  # O(2) holds it and SO(2) does not
    assert scores["gamma_b"] < 1e-6


@pytest.mark.parametrize("name", PRESETS)
def test_presets_build(name: str) -> None:
    for settings in PRESETS[name]:
        assert Settings.of_plain(json.loads(json.dumps(settings.plain()))) == settings
        with torch.device("meta"):
            encoder = build_encoder(settings)
            objective = build_objective(settings, encoder)
            build_optimizer(settings, objective.module, 10)
        if settings.bottleneck:  # the paper's ResNet-50
            assert encoder.backbone.out_features == 2048
            backbone = sum(p.numel() for p in encoder.backbone.parameters())
            assert backbone == 23_508_032 - (0 if not settings.cifar_stem else 7_680)
            assert [*(m.out_features for m in encoder.head if hasattr(m, "out_features"))] == [
                *(512, 128)
            ]
        assert settings.batch_size % settings.num_chunks == 0
        assert ("moco" in settings.terms) == (objective.__class__.__name__ == "MomentumObjective")


def test_settings_of_the_paper() -> None:
    (care,) = PRESETS["cifar10-care-simclr"]
    assert (care.epochs, care.batch_size, care.temperature) == (400, 256, 0.5)
    assert (care.num_chunks, care.weight, care.normalization) == (16, 0.01, "care")
    assert not care.one_pair
    (moco,) = PRESETS["imagenet100-care-moco"]
    assert (moco.num_chunks, moco.weight, moco.temperature) == (8, 0.01, 0.2)
    assert PRESETS["stl10-moco"][0].temperature == 0.1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": "byol"}, "got 'byol'"),
        ({"method": "simclr+moco"}, "moco with none but equi"),
        ({"method": "inv+moco"}, "moco with none but equi"),
        ({"manifold": "torus"}, "manifold must be sphere or hyperboloid, got 'torus'"),
        ({"optimizer": "lamb"}, "optimizer must be adam or adamw or sgd, got 'lamb'"),
        ({"schedule": "linear"}, "schedule must be constant or cosine or multistep, got 'linear'"),
        ({"num_chunks": 0}, "num_chunks must be at least 1, got 0"),
        ({"measure_every": 0}, "measure_every must be at least 1, got 0"),
        ({"measured_images": -1}, "measured_images must be at least 0, got -1"),
        ({"epochs": 5, "warmup_epochs": 5}, "warmup_epochs must be fewer than epochs, got 5 of 5"),
    ],
)
def test_settings_are_checked(changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Settings(**changes)


def test_every_setting_is_documented() -> None:
    for field in fields(Settings):
        assert field.name in (Settings.__doc__ or ""), field.name


def test_augmentation_is_the_papers() -> None:
    expected = simclr_augmentation(8, scale=(0.2, 1.0), kernel_size=3)
    assert repr(build_augmentation(TINY)) == repr(expected)
