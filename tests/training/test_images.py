"""Runs on images: presets, data, evaluation, and exact resumption after a kill."""

import csv
import hashlib
import json
import random
import subprocess
import sys
import time
from dataclasses import fields, replace
from pathlib import Path

import pytest
import torch

from equiform.augment import simclr_augmentation
from equiform.data import ImageSet, synthetic_shapes
from equiform.training import (
    PRESETS,
    CheckpointError,
    ImageBatches,
    ImageSplits,
    Settings,
    TensorBoardLog,
    build_encoder,
    build_objective,
    build_optimizer,
    equivariance_scores,
    evaluate_images,
    load_images,
    load_run,
    train_images,
    write_csv,
)

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
    rows = list(csv.DictReader((folder / "log.csv").open()))
    assert [float(row["loss"]) for row in rows] == history.losses
    assert [bool(row["knn"]) for row in rows] == [False, True, True]
    measured = {"knn", "gamma_b", "gamma_f"}
    terms = {"loss", "contrastive", "equivariance", "invariance", "positive_cosine"}
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
    class Pixels(torch.nn.Module):
        """Brightness left and right, of which mirroring is a reflection."""

        dim = 2
        manifold = build_encoder(TINY).manifold

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.manifold.project(x.float().unflatten(-1, (2, -1)).mean((1, 2, 4)))

    from equiform.augment import HorizontalFlip

    images = torch.randint(256, (40, 3, 8, 8), dtype=torch.uint8)
    images[:, :, :, 4:] //= torch.arange(1, 41, dtype=torch.uint8)[:, None, None, None]
    flip = HorizontalFlip(1.0)
    scores = equivariance_scores(Pixels().eval(), images, flip, flip.sample(3))  # pyright: ignore
    assert scores["wahba"] < 1e-3 < 0.1 < scores["wahba_so"]  # O(2) holds it and SO(2) does not
    assert scores["gamma_b"] < 1e-6


KILLED = """
import sys
from pathlib import Path
from tests.training.test_images import TINY, replace, tiny_splits, train_images, weights
settings = replace(TINY, method=sys.argv[2], epochs=12)
print("ready", flush=True)
encoder, _ = train_images(settings, tiny_splits(), sys.argv[1], seed=3, resume=True)
print(weights(encoder))
"""


def kill_and_resume(method: str, folder: Path, moments: random.Random) -> str:
    """Train in a process that is killed once, and in one that goes on; the final weights."""
    command = [sys.executable, "-c", KILLED, str(folder), method]
    root = Path(__file__).parents[2]
    child = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=root
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    # A moment of the run, not of the clock: machines differ. Then up to an epoch later.
    epochs = moments.randrange(1, 11)
    log = folder / "log.csv"
    while child.poll() is None:
        if log.exists() and len(log.read_text().splitlines()) > epochs:
            break
        time.sleep(0.001)
    time.sleep(moments.uniform(0, 0.05))
    child.kill()
    child.communicate()
    done = subprocess.run(command, capture_output=True, text=True, cwd=root)
    assert done.returncode == 0, done.stderr
    assert len(log.read_text().splitlines()) == 13
    return done.stdout.split()[-1]


def whole(method: str, folder: Path) -> str:
    settings = replace(TINY, method=method, epochs=12)
    return weights(train_images(settings, tiny_splits(), folder, seed=3)[0])


def test_a_killed_run_resumes_to_the_same_bits(tmp_path: Path) -> None:
    resumed = kill_and_resume("care-moco", tmp_path / "killed", random.Random(0))
    assert resumed == whole("care-moco", tmp_path / "whole")


@pytest.mark.slow
@pytest.mark.parametrize("method", ["care-simclr", "care-moco"])
def test_ten_killed_runs_resume_to_the_same_bits(method: str, tmp_path: Path) -> None:
    expected = whole(method, tmp_path / "whole")
    moments = random.Random(1)
    for i in range(5):
        assert kill_and_resume(method, tmp_path / str(i), moments) == expected


@pytest.mark.parametrize("name", PRESETS)
def test_presets_build(name: str) -> None:
    for settings in PRESETS[name]:
        assert Settings.of_plain(json.loads(json.dumps(settings.plain()))) == settings
        with torch.device("meta"):
            encoder = build_encoder(settings)
            objective = build_objective(settings, encoder)
            build_optimizer(settings, objective.module, 10)
        if settings.width == 64:
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
        ({"method": "simclr+moco"}, "simclr and moco not both"),
        ({"manifold": "torus"}, "manifold must be sphere or hyperboloid, got 'torus'"),
        ({"optimizer": "lamb"}, "optimizer must be adam or adamw or sgd, got 'lamb'"),
    ],
)
def test_settings_are_checked(changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Settings(**changes)


def test_every_setting_is_documented() -> None:
    for field in fields(Settings):
        assert field.name in (Settings.__doc__ or ""), field.name


def rows_of(images: torch.Tensor) -> set[bytes]:
    return {image.numpy().tobytes() for image in images}


def test_parts_of_the_data_do_not_overlap() -> None:
    splits = load_images("synthetic", size=8, validation=0.2, limit=100)
    assert (len(splits.train), len(splits.test)) == (80, 1024)
    assert splits.validation is not None
    assert splits.unlabelled is splits.train
    parts = [rows_of(part.images) for part in (splits.train, splits.validation, splits.test)]
    assert sum(map(len, parts)) == len(set().union(*parts))
    again = load_images("synthetic", size=8, validation=0.2, limit=100)
    assert torch.equal(again.train.images, splits.train.images)
    assert load_images("synthetic", size=8, validation=0.0).validation is None


def test_data_arguments_are_checked() -> None:
    with pytest.raises(ValueError, match="limit must be at least 1, got 0"):
        load_images("synthetic", size=8, limit=0)
    with pytest.raises(ValueError, match="dataset must be one of synthetic, .* got 'mnist'"):
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


def test_csv_is_written_whole(tmp_path: Path) -> None:
    write_csv(tmp_path / "a" / "log.csv", [{"epoch": 1, "loss": 0.5}, {"epoch": 2, "knn": 0.1}])
    assert (tmp_path / "a" / "log.csv").read_text() == "epoch,loss,knn\n1,0.5,\n2,,0.1\n"
    assert [file.name for file in (tmp_path / "a").iterdir()] == ["log.csv"]


def test_tensorboard_shows_each_epoch_once_after_resumption(tmp_path: Path) -> None:
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    first = [{"epoch": i, "loss": float(i)} for i in range(1, 4)]
    log = TensorBoardLog(tmp_path)
    for n in (1, 2, 3):
        log(first[:n])
    again = TensorBoardLog(tmp_path)  # resumed after epoch 2
    again([*first[:2], {"epoch": 3, "loss": 30.0}])
    events = reader.EventAccumulator(str(tmp_path))
    events.Reload()
    assert [(e.step, e.value) for e in events.Scalars("loss")] == [(1, 1.0), (2, 2.0), (3, 30.0)]


def test_augmentation_is_the_papers() -> None:
    expected = simclr_augmentation(8, scale=(0.2, 1.0), kernel_size=3)
    from equiform.training import build_augmentation

    assert repr(build_augmentation(TINY)) == repr(expected)


def test_image_sets_are_what_splits_hold() -> None:
    assert all(isinstance(part, ImageSet) for part in tiny_splits())
