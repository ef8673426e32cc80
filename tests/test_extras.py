"""A missing extra is reported by name, with the command that installs it, and only when needed."""

import importlib
import pkgutil
import subprocess
import sys

import pytest

import equiform
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
    output = run(*lines).splitlines()
    assert len(output) == len(NEEDS)
    assert all('run: pip install "equiform[proteins]"' in line for line in output)
    assert [line.split()[0] for line in output] == ["gemmi"] * 2 + [
        "gemmi",
        "requests",
        "torch_geometric",
    ]


def run(*lines: str) -> str:
    """What lines print in a process where nothing of equiform is loaded yet."""
    command = [sys.executable, "-W", "ignore", "-c", "\n".join(lines)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_every_subpackage_is_there_after_one_import():
    public = [m.name for m in pkgutil.iter_modules(equiform.__path__) if m.name[0] != "_"]
    assert set(public) <= set(dir(equiform))
    lines = ["import equiform"]
    lines += [f"assert equiform.{name}.__name__ == 'equiform.{name}'" for name in public]
    lines += ["from equiform import metrics, nn as again", "assert again is equiform.nn"]
    lines += ["import equiform.audit as r", "print(r.Report, equiform.nn.ResNet)"]
    assert "Report" in run(*lines)


def test_a_subpackage_that_misses_its_extra_says_so():
    lines = ["import sys", "sys.modules |= dict.fromkeys(['torchmetrics', 'hypothesis'])"]
    lines += ["import equiform"]
    for name in ("metrics", "testing"):
        lines += ["try:", f"    equiform.{name}", "except ImportError as e:", "    print(e)"]
    for line, extra in zip(run(*lines).splitlines(), ("metrics", "test"), strict=True):
        assert f'run: pip install "equiform[{extra}]"' in line


@pytest.mark.parametrize("module", ["equiform.data", "equiform.nn"])
def test_names_that_load_on_first_use(module):
    """As for a package that imports them: star, dir, __all__, and nothing loaded before."""
    names = importlib.import_module(module).__all__
    assert names == sorted(names)
    lines = ["import sys", f"import {module}"]
    lines += [f"assert set({names}) <= set(dir({module}))"]
    lines += [f"assert not [m for m in sys.modules if m.startswith('{module}.')]"]
    lines += [f"from {module} import *", f"print({', '.join(names)})"]
    run(*lines)


def test_names_are_read_from_what_type_checkers_see(tmp_path, monkeypatch):
    package = tmp_path / "lazy_package"
    package.mkdir()
    (package / "__init__.py").write_text(
        "from typing import TYPE_CHECKING\n"
        "from equiform._extras import lazy_exports\n"
        "if TYPE_CHECKING:\n"
        "    from typing import Any\n"
        "    from lazy_package import part as part\n"
        "    from lazy_package.broken import lost as lost\n"
        "    from lazy_package.part import value as value\n"
        "else:\n"
        "    __getattr__, __dir__, __all__ = lazy_exports(__name__)\n"
    )
    (package / "part.py").write_text("value = 3\n")
    (package / "broken.py").write_text("import none_such\n")
    monkeypatch.syspath_prepend(tmp_path)
    lazy = importlib.import_module("lazy_package")
    assert lazy.__all__ == ["lost", "part", "value"]
    assert lazy.value == lazy.part.value == 3
    assert {"lost", "part", "value", "__name__"} <= set(dir(lazy))
    with pytest.raises(ModuleNotFoundError, match="none_such"):
        _ = lazy.lost
    for unknown in ("Any", "none_such"):
        with pytest.raises(AttributeError, match=f"'lazy_package' has no attribute '{unknown}'"):
            getattr(lazy, unknown)


def test_unknown_names():
    with pytest.raises(AttributeError, match=r"'equiform.data' has no attribute 'none_such'"):
        _ = equiform.data.none_such
    for name in equiform.data.__all__:
        assert getattr(equiform.data, name) is not None
