"""The figures of the paper on images, through the command line, on few images and few steps."""

import json
import math
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import cifar_figures as script
from equiform.augment import simclr_augmentation
from equiform.data import synthetic_shapes
from images import data
from images import runs as runs_module
from images.data import load_images
from images.figures import cosine_distribution, positive_cosines, retrieve, wahba_distribution
from images.moved import Moved, draw_transformations, embed_moved
from images.parts import build_augmentation
from images.runs import Runs
from images.settings import PRESETS, Settings
from images.train import evaluate_images, load_run, train_images

# A few steps from random weights, and a loss of equivariance alone, leave encoders collapsed.
pytestmark = [
    pytest.mark.filterwarnings("ignore::equiform.metrics.CollapseWarning"),
    pytest.mark.filterwarnings("ignore::equiform.metrics.TrivialFitWarning"),
]

TINY = Settings(
    width=2,
    head=(8, 4),
    image_size=8,
    epochs=2,
    batch_size=32,
    num_chunks=4,
    measure_every=2,
    probe_epochs=2,
)
LABELS = {
    # The one that watches most often comes first, so that the others find its runs.
    "training": ["simclr", "care-simclr"],
    "wahba": ["simclr", "care-simclr"],
    "retrieval": ["simclr", "care-simclr"],
    "circle": ["simclr", "care-simclr"],
    "losses": ["equi", "inv", "unif", "inv+equi", "unif+equi", "inv+unif", "inv+unif+equi"],
    "weight": ["simclr", "0.001", "0.01", "0.1", "1", "10"],
    "similarity": ["equi", "inv", "unif", "unif+equi", "simclr", "care-simclr"],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PRESETS, "synthetic", (TINY,))
    monkeypatch.setattr(data, "NUM_SYNTHETIC", (96, 48))


@pytest.fixture
def make(folder: Path, tmp_path: Path):
    def call(figure: str, *arguments: str) -> dict:
        usual = [figure, "--runs", str(folder), "--out", str(tmp_path), *arguments]
        assert script.main(usual) == 0
        assert (tmp_path / f"{figure}.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
        return json.loads((tmp_path / f"{figure}.json").read_text())

    return call


def forbid_training(monkeypatch: pytest.MonkeyPatch) -> None:
    def train(*args: object, **kwargs: object) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr(runs_module, "train_images", train)


@pytest.mark.parametrize("figure", LABELS)
def test_a_figure_and_its_numbers_and_no_training_the_second_time(
    figure: str, make, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = make(figure)
    assert record["figure"] == figure
    assert record["about"].startswith("Fig. ")
    assert (record["dataset"], record["limit"], record["seeds"]) == ("synthetic", None, [0])
    assert record["versions"]["torch"] == version("torch")
    assert list(record["results"]) == LABELS[figure]
    for label, runs in record["results"].items():
        (run,) = runs
        assert run["seed"] == 0
        assert load_run(folder / run["folder"])[1].method == run["settings"]["method"]
        assert run["settings"]["method"] == label or figure == "weight"
    forbid_training(monkeypatch)
    assert make(figure)["results"] == record["results"]


def test_every_figure_is_tested() -> None:
    assert set(script.FIGURES) == set(LABELS)


def test_runs_are_as_the_figure_asks(make, folder: Path) -> None:
    for runs in make("circle")["results"].values():
        assert load_run(folder / runs[0]["folder"])[0].dim == 2
    for label, runs in make("weight")["results"].items():
        assert label == "simclr" or float(label) == runs[0]["settings"]["weight"]
    for runs in make("training")["results"].values():
        for name in ("gamma_b", "gamma_f", "invariance"):
            epochs, values = runs[0][name]
            assert epochs == [1, 2]
            assert all(value > 0 for value in values)


def test_each_seed_is_a_run(make) -> None:
    record = make("wahba", "--seeds", "0", "1")
    for runs in record["results"].values():
        assert [run["seed"] for run in runs] == [0, 1]
        assert runs[0]["O(d)"]["each"] != runs[1]["O(d)"]["each"]


def test_numbers_of_wahba_are_those_of_a_direct_computation(make, folder: Path) -> None:
    (run,) = make("wahba")["results"]["care-simclr"]
    encoder, trained = load_run(folder / run["folder"])
    splits = load_images("synthetic", size=8)
    augmentation = build_augmentation(trained)
    parameters = augmentation.sample(20, generator=torch.Generator().manual_seed(2**31))
    for group in ("O(d)", "SO(d)"):
        expected = []
        for i in range(20):
            with torch.no_grad():
                b = encoder(splits.test.images).double().numpy()
                a = encoder(augmentation.apply(splits.test.images, parameters[i])).double().numpy()
            # Kabsch: the orthogonal T with T b ≈ a is U Vᵗ of the cross-moment Σ a bᵗ = U S Vᵗ.
            u, _, vt = np.linalg.svd(a[::2].T @ b[::2])
            if group == "SO(d)":
                u[:, -1] *= np.linalg.det(u) * np.linalg.det(vt)
            error = a[1::2] - b[1::2] @ (u @ vt).T
            expected.append(np.linalg.norm(error) / np.linalg.norm(a[1::2]))
        assert run[group]["each"] == pytest.approx(expected, rel=1e-4)
        assert run[group]["mean"] == pytest.approx(np.mean(expected), rel=1e-4)
        assert run[group]["worst"] == pytest.approx(max(expected), rel=1e-4)
        assert run[group]["low"] <= run[group]["mean"] <= run[group]["high"]
    scores = evaluate_images(encoder, trained, splits)
    assert run["O(d)"]["mean"] == pytest.approx(scores["wahba"], rel=1e-5)
    assert run["O(d)"]["null"] == pytest.approx(scores["wahba_null"], rel=1e-5)
    assert run["SO(d)"]["mean"] == pytest.approx(scores["wahba_so"], rel=1e-5)


def test_a_run_serves_only_what_it_was_trained_for(tmp_path: Path) -> None:
    splits = load_images("synthetic", size=8)
    train_images(TINY, splits, tmp_path / "of" / "another", seed=3)
    runs = Runs(tmp_path, splits, "synthetic")
    found = runs.get(TINY, 3)
    assert found.folder == tmp_path / "of" / "another"
    assert found.series("loss")[0] == [1, 2]
    assert found.series("absent") == ([], [])
    changed = Settings(**{**TINY.plain(), "head": (8, 4), "blocks": TINY.blocks, "probe_epochs": 7})
    assert runs.get(changed, 3).folder == found.folder
    assert runs.get(changed, 3).settings == changed
    more_often = Settings(**{**changed.plain(), "head": (8, 4), "measure_every": 1})
    fewer = load_images("synthetic", size=8, limit=90)
    others = [
        runs.get(TINY, 4),
        runs.get(more_often, 3),
        Runs(tmp_path, fewer, "synthetic").get(TINY, 3),
    ]
    assert len({found.folder, *(other.folder for other in others)}) == 4
    # Watched more often, and of the same weights: it serves those who ask for less as well.
    rows = others[1].series("gamma_b")[0], found.series("gamma_b")[0]
    assert rows == ([1, 2], [2])


@settings(max_examples=20)
@given(
    k=st.integers(1, 4), n=st.integers(3, 9), d=st.integers(2, 4), seed=st.integers(0, 2**32 - 1)
)
def test_retrieval_rates_are_those_of_a_count(k: int, n: int, d: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)

    def points(*shape: int) -> torch.Tensor:
        z = torch.randn(*shape, d, generator=generator, dtype=torch.float64)
        return z / z.norm(dim=-1, keepdim=True)

    reference, moved = Moved(points(20), points(k, 20)), Moved(points(n), points(k, n))
    labels = torch.randint(2, (n,), generator=generator)
    scores = retrieve(reference, moved, labels)
    turns = []
    for a in reference.target:
        u, _, vt = np.linalg.svd(a.numpy().T @ reference.source.numpy())
        turns.append(u @ vt)
    gallery = [(j, i) for j in range(k) for i in range(n)]
    ways = {
        "steered": lambda j, i: turns[j] @ moved.source[i].numpy(),
        "unsteered": lambda j, i: moved.source[i].numpy(),
        "transformed": lambda j, i: moved.target[j, i].numpy(),
    }
    for way, query in ways.items():
        first, among, same_j, same_class = [], [], [], []
        for j, i in gallery:
            order = sorted(gallery, key=lambda at: -(query(j, i) @ moved.target[at].numpy()))
            first.append(order[0] == (j, i))
            among.append((j, i) in order[:5])
            others = [at for at in order if at[1] != i][:5]
            if len(others) == 5:
                same_j += [at[0] == j for at in others]
                same_class += [labels[at[1]] == labels[i] for at in others]
            if way == "steered" and j == i % k and i < len(scores["neighbours"]):
                assert [tuple(at) for at in scores["neighbours"][i]] == order[:5]
        assert scores[way]["recall_at_1"] == pytest.approx(np.mean(first))
        assert scores[way]["recall_at_5"] == pytest.approx(np.mean(among))
        if same_j:
            assert scores[way]["same_transformation_at_5"] == pytest.approx(np.mean(same_j))
            assert scores[way]["same_class_at_5"] == pytest.approx(np.mean(same_class))


def test_an_equivariant_encoder_finds_what_it_has_not_seen() -> None:
    source, more = torch.randn(2, 40, 3, dtype=torch.float64)
    turns = torch.linalg.qr(torch.randn(5, 3, 3, dtype=torch.float64)).Q
    scores = retrieve(
        Moved(more, more @ turns.mT), Moved(source, source @ turns.mT), torch.zeros(40).long()
    )
    assert scores["steered"]["recall_at_1"] == 1
    assert scores["transformed"]["recall_at_1"] == 1
    assert scores["unsteered"]["recall_at_1"] < 0.3


def test_a_rotation_of_the_circle_turns_all_alike() -> None:
    angle = 2 * math.pi * torch.rand(50)
    source = torch.stack([angle.cos(), angle.sin()], -1)
    turned = torch.stack([(angle + 1).cos(), (angle + 1).sin()], -1)
    scores = cosine_distribution(Moved(source, torch.stack([turned, source.flip(0)])))
    assert scores["each"][0] == pytest.approx(0, abs=1e-12)
    assert scores["each"][1] == pytest.approx(((source * source.flip(0)).sum(-1)).var(correction=0))
    (only,) = (i for i, count in enumerate(scores["counts"][0]) if count)
    assert -1 + only * 2 / 40 <= math.cos(1) <= -1 + (only + 1) * 2 / 40
    assert scores["counts"][0][only] == sum(scores["counts"][1]) == 50
    errors = wahba_distribution(Moved(source, turned[None]))
    assert errors["O(d)"]["mean"] == pytest.approx(0, abs=1e-6)
    assert errors["SO(d)"]["null"] > 0.5


def test_positive_pairs_are_two_views_of_an_image(folder: Path, make) -> None:
    (run,) = make("wahba")["results"]["simclr"]
    encoder, _ = load_run(folder / run["folder"])
    images = synthetic_shapes(30, size=8, seed=5).images
    identity = simclr_augmentation(8, scale=(1.0, 1.0))
    still = draw_transformations(identity, 1)
    assert len(embed_moved(encoder, images, identity, still).target) == 1
    scores = positive_cosines(encoder, images, identity)
    assert sum(scores["counts"]) == 30
    assert -1 <= scores["mean"] < 1
    middles = np.linspace(-1, 1, 41)[:-1] + 1 / 40
    assert np.average(middles, weights=scores["counts"]) == pytest.approx(scores["mean"], abs=0.025)


def test_errors_name_the_remedy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert script.main(["wahba", "--data", str(tmp_path / "absent")]) == 2
    assert "absent" in capsys.readouterr().err
    assert script.main(["wahba", "--limit", "0", "--out", str(tmp_path)]) == 2
    assert "limit must be at least 1, got 0" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        script.main(["figure9"])
    assert "invalid choice: 'figure9'" in capsys.readouterr().err
