"""The layers: imports run downward, and the core needs no extra."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import equiform

PACKAGE = Path(equiform.__file__).parent

#: What each part may import, besides itself. `LEAVES` all may use.
LAYERS: dict[str, set[str]] = {
    "forms": set(),
    "groups": {"forms"},
    "manifolds": {"forms", "groups"},
    "ops": {"forms"},
    "functional": {"forms", "groups", "ops"},
    "losses": {"forms", "ops", "functional"},
    "metrics": {"forms", "groups", "functional"},
    "augment": {"forms", "groups"},
    "nn": set(),
    "data": set(),
    "audit": {"forms", "groups", "manifolds", "functional"},
    "experimental": {"forms", "groups", "functional"},
    "steering": {"forms", "groups", "ops", "functional"},
    "testing": {"forms", "groups"},
    "probes": {"forms", "functional", "ops"},
    "training": {"functional", "ops"},
}
LEAVES = {"_extras", "_files", "_options", "_points", "_precision", "_record", "__version__"}
EXTRAS = [
    "triton",
    "torch_geometric",
    "kornia",
    "gemmi",
    "torchmetrics",
    "matplotlib",
    "hypothesis",
    "requests",
    "tqdm",
    "PIL",
    "tensorboard",
]


def part_of(path: Path) -> str:
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def imported_parts(path: Path) -> set[str]:
    """Parts of equiform that a file imports at run time, wherever in the file it does so."""
    parts = set()
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        # Names that only annotations need are not imports.
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = [node.module or ""]
            if node.module == "equiform":
                names = [f"equiform.{alias.name}" for alias in node.names]
        else:
            continue
        parts |= {name.split(".")[1] for name in names if name.startswith("equiform.")}
    return parts


SOURCES = [p for p in sorted(PACKAGE.rglob("*.py")) if p != PACKAGE / "__init__.py"]


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_run_downward(path):
    own = part_of(path)
    if own in LEAVES:
        assert not imported_parts(path)
        return
    upward = imported_parts(path) - LAYERS[own] - LEAVES - {own}
    assert not upward, f"{path.name} in layer {own!r} imports upward: {upward}"


def test_every_part_has_a_place_in_the_layers():
    assert {part_of(path) for path in SOURCES} <= set(LAYERS) | LEAVES


def test_one_place_writes_files_whole():
    # A download that can go on where it stopped keeps its part under a name that it finds again.
    own = {PACKAGE / "_files.py", PACKAGE / "data" / "remote.py"}
    by_hand = re.compile(r"os\.replace|\.rename\(|mkstemp|NamedTemporaryFile")
    assert not [path for path in SOURCES if path not in own and by_hand.search(path.read_text())]


def run_python(code: str) -> str:
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


BLOCK = f"""
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {EXTRAS!r}:
            raise ModuleNotFoundError(f"blocked: {{name}}", name=name)
sys.meta_path.insert(0, Block())
"""


def test_the_core_imports_and_works_without_any_extra():
    run_python(
        BLOCK
        + """
import torch, equiform
from equiform import *
loss = equiform.PairwiseEquivarianceLoss(equiform.MinkowskiForm())
z = torch.randn(8, 4, requires_grad=True)
loss(z, torch.randn(8, 4)).backward()
"""
    )


@pytest.mark.parametrize(
    ("statement", "extra"),
    [
        ("from equiform.metrics import WahbaError", "metrics"),
        ("from equiform.data import ProteinDataset", "proteins"),
        ("from equiform.nn import DeepSets", "proteins"),
    ],
)
def test_a_missing_extra_is_named_with_its_pip_command(statement, extra):
    run_python(
        BLOCK
        + f"""
try:
    {statement}
except ImportError as error:
    assert 'pip install "equiform[{extra}]"' in str(error), error
else:
    raise SystemExit("no error")
"""
    )


def test_importing_equiform_loads_nothing_heavy():
    out = run_python("import sys, equiform; print(*sys.modules)")
    loaded = {name.split(".")[0] for name in out.split()}
    assert not loaded & set(EXTRAS) - {"tqdm"}  # torch itself may load it


def test_the_public_face_is_complete():
    assert sorted(equiform.__all__) == equiform.__all__
    for name in equiform.__all__:
        assert getattr(equiform, name).__doc__
