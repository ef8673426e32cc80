"""A missing extra is reported by name, with the command that installs it, and only when needed."""

import subprocess
import sys

import pytest

from equiform._extras import require

NEEDS = [
    ("gemmi", "equiform.data", "read_calpha"),
    ("gemmi", "equiform.data", "ProteinDataset"),
    ("torch_geometric", "equiform.data", "ProteinDataset"),
    ("requests", "equiform.data", "download_entries"),
    ("torch_geometric", "equiform.nn", "DeepSets"),
]


def test_require():
    assert require("json.decoder", extra="x").__name__ == "json.decoder"
    with pytest.raises(ImportError, match=r'none_such is not .*: pip install "equiform\[plots\]"'):
        require("none_such", extra="plots")


def test_an_error_inside_the_dependency_is_its_own(tmp_path, monkeypatch):
    (tmp_path / "broken_dependency.py").write_text("import none_such")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="none_such"):
        require("broken_dependency", extra="plots")


def test_missing_extras_are_named():
    """In a process of its own, since modules that are loaded stay loaded."""
    lines = ["import sys", "blocked = ('gemmi', 'torch_geometric', 'requests')"]
    lines += ["sys.modules |= dict.fromkeys(blocked)"]
    lines += [
        "import equiform.augment, equiform.nn",
        "from equiform.data import synthetic_backbones",
    ]
    lines += ["from equiform.data import iter_structure_files, StructureFormatError"]
    for _, module, name in NEEDS:
        lines += ["try:", f"    from {module} import {name}", "except ImportError as error:"]
        lines += ["    print(error)", "else:", f"    print('{name} was imported')"]
    run = [sys.executable, "-W", "ignore", "-c", "\n".join(lines)]
    output = subprocess.run(run, capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(output) == len(NEEDS)
    assert all('run: pip install "equiform[proteins]"' in line for line in output)
    assert [line.split()[0] for line in output] == ["gemmi"] * 2 + [
        "gemmi",
        "requests",
        "torch_geometric",
    ]


def test_unknown_names():
    import equiform.data

    with pytest.raises(AttributeError, match=r"'equiform.data' has no attribute 'none_such'"):
        _ = equiform.data.none_such
    for name in equiform.data.__all__:
        assert getattr(equiform.data, name) is not None
