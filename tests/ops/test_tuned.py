"""Data by device: the entry of a name, of a type, or the default."""

import json

import pytest
import torch

from equiform.ops import tuned
from equiform.ops.gram_difference.routes import CROSSOVERS, choose_route
from equiform.ops.gram_difference.triton.config import LAUNCH as GRAM
from equiform.ops.info_nce.triton.config import LAUNCH as INFO_NCE
from equiform.ops.tuned import Tuned


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "table.json"
    path.write_text(json.dumps({"cpu": 1, "cuda": 2, "Card A": 3}))
    return Tuned(path, lambda entry: 10 * entry, default="cpu")


def test_a_device_has_the_entry_of_its_name_or_of_its_type(table, monkeypatch):
    assert table.of(torch.device("cpu")) == 10
    assert table.of(torch.device("meta")) == 10
    monkeypatch.setattr(tuned, "device_name", lambda d: ["Card A", "Card B"][d.index])
    assert table.of(torch.device("cuda", 0)) == 30
    assert table.of(torch.device("cuda", 1)) == 20


def test_an_entry_under_trial_holds_within_and_not_after(table):
    cpu = torch.device("cpu")
    with table.using(7):
        assert table.of(cpu) == 70
        with table.using(8):
            assert table.of(cpu) == 80
        assert table.of(cpu) == 70
    assert table.of(cpu) == 10
    with pytest.raises(ZeroDivisionError), table.using(7):
        table.of(cpu) / 0
    assert table.of(cpu) == 10


def test_what_is_written_is_read_and_the_others_stay(table, tmp_path):
    table.write("Card B", 4)
    assert Tuned(table.file, int, default="cpu").entries == {
        "cpu": 1,
        "cuda": 2,
        "Card A": 3,
        "Card B": 4,
    }
    with pytest.raises(TypeError):
        Tuned(table.file, lambda entry: entry + 1, default="cpu").write("Card C", "four")
    assert "Card C" not in table.file.read_text()


@pytest.mark.parametrize("shipped", [CROSSOVERS, GRAM, INFO_NCE])
def test_a_shipped_entry_survives_a_round_trip(shipped, tmp_path):
    copy = tmp_path / "copy.json"
    copy.write_text(shipped.file.read_text())
    entry = json.loads(copy.read_text())["cuda"]
    shipped.write("Some card", entry, copy)
    again = Tuned(copy, shipped.parse, default="cuda").entries
    assert again["Some card"] == again["cuda"] == shipped.entries["cuda"]


def test_the_crossover_decides_the_route():
    x = torch.empty(1, 300, 4)
    entry = {"moments_from_n_over_d": 2.0, "moments_from_n": 300}
    with CROSSOVERS.using(entry):
        assert choose_route(x, masked=False, euclidean=True) == "moments"
        assert choose_route(x, masked=True, euclidean=True) == "gram"
        assert choose_route(x[:, :299], masked=False, euclidean=True) == "gram"
    with CROSSOVERS.using(entry | {"moments_from_n_over_d": 76.0}):
        assert choose_route(x, masked=False, euclidean=True) == "gram"
