"""What a report takes, what it refuses, and how it leaves it."""

import gc
import weakref

import geoopt
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from equiform import (
    EuclideanForm,
    HermitianForm,
    MinkowskiForm,
    SpecialOrthogonal,
    Sphere,
    SymplecticForm,
)
from equiform.audit import ReportError, report
from tests.audit.cases import TRANSFORMATIONS, D, Labelled, blur, encoder, numbers, points, turn


def test_every_kind_of_data_gives_the_same(measured):
    x = points()
    whole = [
        TensorDataset(x, torch.arange(len(x))),
        Labelled(x),
        DataLoader(TensorDataset(x), batch_size=7, shuffle=True),
        DataLoader(Labelled(x), collate_fn=lambda items: [torch.stack([i[0] for i in items])]),
        x.numpy(),
    ]
    for data in whole:
        result = report(encoder, data, TRANSFORMATIONS, batch_size=64)
        assert numbers(result) == numbers(measured)
    reversed_rows = report(
        lambda batch: batch["x"][:, :D],
        Labelled(x),
        {"turn": lambda batch: {"x": turn(batch["x"])}},
        collate=lambda items: {"x": torch.stack([i[0] for i in items])},
        device="cpu",
        batch_size=64,
    )
    assert numbers(reversed_rows) == numbers(report(encoder, x, {"turn": turn}, batch_size=64))


class Watched(nn.Module):
    """Counts the rows of embeddings whose memory is still held when the next batch comes."""

    def __init__(self):
        super().__init__()
        self.alive = []
        self.most = 0

    def forward(self, x):
        self.alive = [ref for ref in self.alive if ref() is not None]
        self.most = max(
            self.most, sum(len(array) for ref in self.alive if (array := ref()) is not None)
        )
        # The tensor's storage holds the array, and so does every view of it.
        array = x[:, :D].numpy().copy()
        self.alive.append(weakref.ref(array))
        return torch.from_numpy(array)


def test_no_embedding_outlives_its_batch():
    watched, batch = Watched(), 100
    gc.disable()  # what is freed must be so at once
    try:
        report(watched, points(10_000), {"turn": turn, "blur": blur}, batch_size=batch)
    finally:
        gc.enable()
    # f(x), f(a x) and f(a a x), and not the 5,000 rows of a half.
    assert 0 < watched.most <= 3 * batch


def test_a_module_runs_frozen_and_gets_its_modes_back():
    model = nn.Sequential(nn.Dropout(0.5), nn.Linear(D + 2, D), nn.BatchNorm1d(D))
    model[2].eval()
    seen = []
    model.register_forward_hook(lambda *_: seen.append((model.training, torch.is_grad_enabled())))
    state = {key: value.clone() for key, value in model.state_dict().items()}
    report(model, points().float(), {"turn": lambda x: turn(x.double()).float()}, device="cpu")
    assert set(seen) == {(False, False)}
    assert [module.training for module in model] == [True, True, False]
    assert model.training
    for key, value in model.state_dict().items():
        assert torch.equal(value, state[key])

    def broken(x):
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        report(model, points().float(), {"broken": broken})
    assert model.training


def test_a_random_transformation_is_refused():
    noisy = {"turn": turn, "noise": lambda x: x + 1e-3 * torch.randn_like(x)}
    with pytest.raises(ReportError, match=r"'noise' is random.* Draw its parameters once"):
        report(encoder, points(), noisy)
    # Batches that are not tensors are compared through their embeddings.
    with pytest.raises(ReportError, match="'noise' is random"):
        report(
            lambda batch: encoder(batch["x"]),
            Labelled(points()),
            {"noise": lambda batch: {"x": noisy["noise"](batch["x"])}},
            collate=lambda items: {"x": torch.stack([i[0] for i in items])},
        )


def test_a_transformation_that_writes_to_its_batch_is_refused():
    with pytest.raises(ReportError, match=r"'half' writes to its batch.*clone"):
        report(encoder, points(), {"half": lambda x: x.mul_(0.5)})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"encoder": lambda x: x[:, :D, None]}, r"\(n, d\), got shape \(100, 6, 1\); flatten"),
        ({"encoder": lambda x: [x]}, r"got list"),
        ({"encoder": lambda x: x.long()}, "floating-point numbers, got torch.int64"),
        ({"encoder": lambda x: x / 0}, "not finite"),
        ({"encoder": lambda x: encoder(x) * torch.nan}, "returned embeddings that are not finite"),
        ({"encoder": lambda x: encoder(x) * 1e200}, r"up to [\d.]+e\+200, whose squares overflow"),
        ({"encoder": lambda x: encoder(x) * 1e-200}, r"up to [\d.]+e-200, whose squares overflow"),
        ({"encoder": lambda x: encoder(x)[:, :0]}, r"got shape \(100, 0\)"),
        ({"encoder": lambda x: encoder(x)[:3]}, "one embedding an item, got 3 for 100 items"),
        ({"data": torch.tensor(1.0)}, "map-style dataset .*, got a scalar"),
        ({"device": "nope"}, "device must be a device such as .*, got 'nope'"),
        ({"out": 3}, "out='3' cannot be a folder"),
        ({"transformations": {3: turn}}, "strings as names, got 3"),
        ({"data": points(3)}, "at least 4 items, 2 in each half, got 3"),
        ({"data": iter(points())}, "map-style dataset .*, got "),
        ({"batch_size": 0}, "batch_size must be at least 1, got batch_size=0"),
        ({"transformations": {}}, "at least one entry, got a dict without any"),
        ({"transformations": [turn]}, "must be a dict .*, got a list"),
        ({"transformations": {"crop": lambda x: x[1:]}}, r"'crop' must keep the rows"),
        ({"transformations": {"nan": lambda x: x / 0}}, r"'nan': the encoder returned .*finite"),
        ({"group": SpecialOrthogonal(5)}, "d=5.* but the embeddings have d=6"),
        ({"group": HermitianForm().isometry_group(D)}, "group is .* needs complex embeddings"),
    ],
)
def test_errors_name_what_is_wrong(change, message):
    arguments = {"encoder": encoder, "data": points(200), "transformations": {"turn": turn}}
    with pytest.raises(ReportError, match=message):
        report(**(arguments | change))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"manifold": Sphere}, TypeError, r"instance, got the class Sphere; use Sphere\(\)"),
        ({"manifold": geoopt.Lorentz()}, TypeError, r"use equiform\.Sphere\(\) or equiform\.Hyper"),
        ({"form": Sphere()}, TypeError, "form must be a form .* use manifold="),
        ({"group": EuclideanForm()}, TypeError, r"use EuclideanForm\(\)\.isometry_group\(d\)"),
        ({"group": SpecialOrthogonal}, TypeError, "group must be an isometry group"),
        ({"form": MinkowskiForm(), "manifold": Sphere()}, ValueError, "give one of the two"),
        ({"form": MinkowskiForm(), "group": SpecialOrthogonal(D)}, ValueError, "one of the two"),
        ({"form": SymplecticForm(), "encoder": lambda x: x[:, :5]}, ValueError, "even dimension"),
    ],
)
def test_a_geometry_that_is_none_is_refused_before_any_work(change, error, message):
    def refuse(x):
        raise AssertionError("the encoder ran")

    arguments = {"encoder": refuse, "data": points(200), "transformations": {"turn": turn}}
    with pytest.raises(error, match=message):
        report(**(arguments | change))


def test_a_random_transformation_beside_infinite_entries_is_refused():
    # As of masks: infinity is no scale by which differences are small.
    x = torch.cat([points(), torch.full((400, 1), -torch.inf)], 1)
    with pytest.raises(ReportError, match="'noise' is random"):
        report(encoder, x, {"noise": lambda x: x + torch.randn_like(x)})


def test_progress_bar_is_shown_on_request_only(monkeypatch):
    shown = []
    monkeypatch.setattr("tqdm.tqdm", lambda chunks, name, **_: shown.append(name) or chunks)
    report(encoder, points(), {"turn": turn})
    assert shown == []
    report(encoder, points(), {"turn": turn}, progress=True)
    assert shown == ["fit", "measure"]
