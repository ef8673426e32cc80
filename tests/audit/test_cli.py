"""The command, in a process of its own and in this one."""

import importlib
import json
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch

from equiform.audit.cli import main

ROOT = Path(__file__).parents[2]
MODULE = """
import torch
from torch import nn

class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 4, bias=False)
        nn.init.orthogonal_(self.linear.weight)
    def forward(self, x):
        return self.linear(x)

def build():
    torch.manual_seed(0)
    return Encoder()

encoder = Encoder()
def embed(x):
    return x.reshape(len(x), -1).float()

transformations = {"flip": lambda x: x.flip(1), "same": lambda x: x.clone()}
def make_transformations():
    return transformations

data = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
nothing = None
numbers = [1.0, 2.0]
def failing(x):
    raise ArithmeticError("the encoder's own")
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "my_encoder", raising=False)
    (tmp_path / "my_encoder.py").write_text(MODULE)
    (tmp_path / "lacking.py").write_text("import none_such")
    np.save("x.npy", np.random.default_rng(0).normal(size=(60, 4)))
    torch.save(torch.randn(60, 4), "x.pt")
    torch.save({"x": torch.randn(60, 4)}, "dict.pt")
    (tmp_path / "broken.npy").write_text("no array")
    yield tmp_path
    sys.modules.pop("my_encoder", None)


ARGUMENTS = {
    "--encoder": "my_encoder:encoder",
    "--data": "x.npy",
    "--transformations": "my_encoder:transformations",
}


def command(**changes: str) -> list[str]:
    options = ARGUMENTS | {f"--{name.replace('_', '-')}": value for name, value in changes.items()}
    return [word for option in options.items() for word in option]


def test_the_command_in_a_process(folder):
    run = [sys.executable, "-W", "ignore", "-m", "equiform.audit", *command(out="made/here")]
    done = subprocess.run(run, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "The page is made/here/index.html"
    record = json.loads((folder / "made/here/metrics.json").read_text("utf-8"))
    assert {row["name"]: row["verdict"] for row in record["rows"]} == {
        "flip": "represented",
        "same": "ignored",
    }
    assert (folder / "made/here/index.html").stat().st_size > 10_000


def test_help_names_the_options(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    for option in (*ARGUMENTS, "--manifold", "--batch-size", "--device", "--seed", "--out"):
        assert option in text
    assert text.startswith("usage: equiform-report ")
    assert "\n  equiform-report --encoder" in text


def test_the_module_is_named_as_it_was_called():
    run = [sys.executable, "-W", "ignore", "-m", "equiform.audit", "--help"]
    text = subprocess.run(run, capture_output=True, text=True, check=True).stdout
    assert text.startswith("usage: python -m equiform.audit ")
    assert "\n  python -m equiform.audit --encoder" in text


def test_the_console_script_is_this_command():
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["scripts"]
    module, _, attribute = scripts["equiform-report"].partition(":")
    assert getattr(importlib.import_module(module), attribute) is main


@pytest.mark.parametrize("encoder", ["encoder", "build", "Encoder", "embed"])
@pytest.mark.parametrize("data", ["x.npy", "x.pt", "my_encoder:data"])
def test_objects_and_factories(folder, capsys, encoder, data):
    options = command(
        encoder=f"my_encoder:{encoder}",
        data=data,
        transformations="my_encoder:make_transformations",
        manifold="sphere",
        seed="3",
        batch_size="9",
    )
    assert main([*options, "--no-progress", "--no-composition"]) == 0
    assert "represented" in capsys.readouterr().out
    record = json.loads((folder / "runs/report/metrics.json").read_text("utf-8"))
    assert record["seed"] == 3
    assert record["rows"][0]["composition_defect"] is None
    assert record["rows"][0]["error"] < 1e-4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"encoder": "my_encoder"}, "--encoder must be MODULE:ATTRIBUTE, got 'my_encoder'"),
        ({"encoder": "none_such:x"}, "--encoder: there is no module 'none_such' in "),
        ({"encoder": "my_encoder.sub:x"}, "my_encoder"),
        ({"encoder": "lacking:x"}, "No module named 'none_such'"),
        ({"encoder": "my_encoder:x"}, "--encoder: 'my_encoder' has no attribute 'x'"),
        ({"data": "absent.npy"}, "--data: cannot read absent.npy"),
        ({"data": "broken.npy"}, "--data: cannot read broken.npy"),
        ({"data": "dict.pt"}, "--data: dict.pt must hold one tensor, got dict"),
        ({"data": "my_encoder:numbers"}, "data must hold at least 4 items"),
        ({"data": "my_encoder:nothing"}, "data must be a tensor, a map-style dataset"),
        ({"transformations": "my_encoder:data"}, "transformations must be a dict"),
        ({"manifold": "torus"}, "invalid choice: 'torus'"),
        ({"device": "none"}, "'none' is no device here"),
        ({"batch_size": "0"}, "batch_size must be at least 1, got batch_size=0"),
    ],
)
def test_errors_of_the_user_exit_with_2_and_say_what_is_wrong(folder, capsys, changes, message):
    with pytest.raises(SystemExit) as stop:
        main([*command(**changes), "--no-progress"])
    assert stop.value.code == 2
    assert message in capsys.readouterr().err
    assert not (folder / "runs").exists()


def test_errors_of_the_encoder_keep_their_traceback(folder):
    with pytest.raises(ArithmeticError, match="the encoder's own"):
        main([*command(encoder="my_encoder:failing"), "--no-progress"])
