"""The documentation site: it builds without a warning, misses no public name, and its code runs."""

import importlib
import pkgutil
import re
import shutil
import subprocess
import sys
import zlib
from pathlib import Path
from typing import NamedTuple

import pytest

import equiform

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"


class Site(NamedTuple):
    """What a strict build printed and left."""

    process: subprocess.CompletedProcess[str]
    html: Path


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Site:
    pytest.importorskip("sphinx", reason="the site needs the docs extra")
    # A copy, since autosummary writes its pages beside the sources.
    source = tmp_path_factory.mktemp("source")
    ignore = shutil.ignore_patterns("_build", "generated", "__pycache__")
    shutil.copytree(DOCS, source / "docs", ignore=ignore)
    for page in ("CHANGELOG.md", "CONTRIBUTING.md"):
        if (ROOT / page).exists():  # else the page that includes it says so
            shutil.copy(ROOT / page, source)
    html = tmp_path_factory.mktemp("html")
    command = [sys.executable, "-m", "sphinx", "-n", "-W", "--keep-going", "-b", "html"]
    command += [str(source / "docs"), str(html)]
    process = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    return Site(process, html)


def inventory(site: Site) -> set[str]:
    """The Python names that another project's documentation could link to."""
    # Four lines of header, then compressed lines "name domain:role priority uri title".
    body = (site.html / "objects.inv").read_bytes().split(b"\n", 4)[4]
    lines = zlib.decompress(body).decode().splitlines()
    return {line.split()[0] for line in lines if line.split()[1].startswith("py:")}


def public_modules() -> list[str]:
    """Modules directly under equiform that say what they are for."""
    names = [m.name for m in pkgutil.iter_modules(equiform.__path__) if not m.name.startswith("_")]
    return [name for name in names if importlib.import_module(f"equiform.{name}").__doc__]


def python_blocks(text: str) -> list[tuple[int, str]]:
    """Line number and content of each fenced block whose language is exactly ``python``."""
    fences = re.finditer(r"^(`{3,})python\n(.*?)^\1$", text, re.MULTILINE | re.DOTALL)
    return [(text.count("\n", 0, match.start(2)), match[2]) for match in fences]


def pages() -> list[Path]:
    written = [p for p in DOCS.rglob("*.md") if not {"_build", "generated"} & set(p.parts)]
    return [p for p in [ROOT / "README.md", *sorted(written)] if p.exists() and run_on(p)]


def run_on(page: Path) -> bool:
    return bool(python_blocks(page.read_text("utf-8")))


def test_builds_without_a_warning(site):
    assert site.process.returncode == 0, site.process.stderr
    assert "WARNING" not in site.process.stderr


def test_inventory_holds_every_public_name(site):
    names = [f"equiform.{name}" for name in equiform.__all__]
    for module in public_modules():
        part = importlib.import_module(f"equiform.{module}")
        # Constants have no docstring: a comment explains them where they are defined.
        public = [n for n in getattr(part, "__all__", ()) if callable(getattr(part, n))]
        names += [f"equiform.{module}", *(f"equiform.{module}.{name}" for name in public)]
    found = inventory(site)
    assert "equiform.NotThere" not in found
    assert sorted(set(names) - found) == []


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_code_of_page_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "__main__"}
    for line, block in python_blocks(page.read_text("utf-8")):
        # Blank lines put the block where it stands in the page, so that a traceback points there.
        exec(compile("\n" * line + block, str(page), "exec"), namespace)


def test_python_blocks_are_found_and_others_left_out():
    text = "a\n```python\nx = 1\n```\n```text\nno\n```\n````python\n```\n````\n```pycon\nno\n```\n"
    assert python_blocks(text) == [(2, "x = 1\n"), (8, "```\n")]
