"""The report on protein encoders, trained and not, on few chains."""

import json
from dataclasses import replace

import pytest
import torch
from torch_geometric.data import Batch, Data

import protein_care as care
import protein_report as script

# A few chains are fewer than the dimensions of the embedding.
pytestmark = pytest.mark.filterwarnings("ignore::equiform.metrics.TrivialFitWarning")


def test_reports_on_a_trained_and_an_untrained_encoder(chains, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(care, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(script, "CACHE", tmp_path / "cache")
    data = ["--data", str(chains)]
    # In so few steps the running statistics of the whitening keep up with slow training only.
    small = replace(care.Settings(), hidden=16, dim=8, batch_size=16, learning_rate=1e-5)
    training = [*data, "--epochs", "1", "--methods", "care", "--out", str(tmp_path / "run")]
    assert care.main(training, small) == 0
    checkpoint = str(tmp_path / "run" / "checkpoints" / "care.pt")
    for name, more, dim in (("trained", ["--checkpoint", checkpoint], 8), ("untrained", [], 16)):
        out = tmp_path / name
        assert script.main([*data, *more, "--out", str(out)]) == 0
        record = json.loads((out / "metrics.json").read_text())
        assert record["dim"] == dim
        assert [row["name"] for row in record["rows"]] == list(script.changes())
        assert (out / "index.html").exists()
    assert "turn by 10°" in capsys.readouterr().out
    assert script.main([*data, "--checkpoint", str(tmp_path / "absent.pt")]) == 2
    assert "absent.pt" in capsys.readouterr().err


def test_changes_do_what_they_say():
    clouds = Batch.from_data_list([Data(pos=torch.randn(n, 3)) for n in (7, 4)])
    changed = {name: change(clouds) for name, change in script.changes().items()}
    turned = torch.linalg.lstsq(clouds.pos, changed["turn by 90°"].pos).solution
    torch.testing.assert_close(turned @ turned.mT, torch.eye(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(torch.trace(turned), torch.tensor(1.0), atol=1e-5, rtol=0)
    torch.testing.assert_close(torch.linalg.det(turned), torch.tensor(1.0), atol=1e-5, rtol=0)
    assert changed["every second residue"].ptr.tolist() == [0, 4, 6]
    assert len(changed["shake by a twentieth"].pos) == 11
