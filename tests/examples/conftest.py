"""The example scripts as modules, and protein chains small enough for them."""

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from equiform.data import ProteinDataset

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="session")
def load_example() -> Iterator[Callable[[str], ModuleType]]:
    """Import a script by name, as it is found beside the others."""
    sys.path.insert(0, str(EXAMPLES))
    yield importlib.import_module
    sys.path.remove(str(EXAMPLES))


@pytest.fixture(scope="session")
def chains(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of small PDB files."""
    folder = tmp_path_factory.mktemp("chains")
    for i, chain in enumerate(ProteinDataset.synthetic(64, min_residues=20, max_residues=30)):
        lines = [
            f"ATOM  {n:5d}  CA  ALA A{n:4d}    {x:8.3f}{y:8.3f}{z:8.3f}  1.00  0.00           C"
            for n, (x, y, z) in enumerate((chain.pos * chain.scale).tolist(), start=1)
        ]
        (folder / f"chain{i}.pdb").write_text("\n".join([*lines, "TER", "END", ""]))
    return folder
