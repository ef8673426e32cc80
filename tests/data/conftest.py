"""Files to read: written here, and the real ones where they are at hand."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "proteins"

ATOM = (
    "ATOM  {serial:5d}  CA  ALA A{serial:4d}    {x:8.3f}{y:8.3f}{z:8.3f}  1.00  0.00           C\n"
)


@pytest.fixture(scope="session")
def real_proteins() -> Path:
    if not SHARED.is_dir():
        pytest.skip(f"real protein files are not at {SHARED}")
    return SHARED


@pytest.fixture(scope="session")
def real_cifar10() -> Path:
    folder = SHARED.parent / "cifar10"
    if not folder.is_dir():
        pytest.skip(f"real CIFAR-10 images are not at {folder}")
    return folder


def helix(residues: int, *, shift: float = 0.0) -> NDArray[np.float64]:
    """C-alpha atoms of an ideal alpha helix: radius 2.3 Å, 100° and 1.5 Å a residue."""
    i = np.arange(residues)
    angle = np.deg2rad(100) * i
    points = np.stack([2.3 * np.cos(angle) + shift, 2.3 * np.sin(angle), 1.5 * i], axis=1)
    return points.round(3).astype(np.float64)


def pdb_text(coordinates: NDArray[np.float64]) -> bytes:
    lines = [ATOM.format(serial=i, x=x, y=y, z=z) for i, (x, y, z) in enumerate(coordinates, 1)]
    return "".join(lines).encode()


def cif_text(coordinates: NDArray[np.float64]) -> bytes:
    tags = "group_PDB id type_symbol label_atom_id label_alt_id label_comp_id label_asym_id "
    tags += "label_entity_id label_seq_id Cartn_x Cartn_y Cartn_z occupancy auth_seq_id "
    tags += "auth_asym_id pdbx_PDB_model_num"
    header = "data_X\n#\nloop_\n" + "".join(f"_atom_site.{tag}\n" for tag in tags.split())
    rows = "".join(
        f"ATOM {i} C CA . ALA A 1 {i} {x:.3f} {y:.3f} {z:.3f} 1.00 {i} A 1\n"
        for i, (x, y, z) in enumerate(coordinates, 1)
    )
    return (header + rows + "#\n").encode()


@pytest.fixture
def folder_of_helices(tmp_path: Path) -> Callable[[int], Path]:
    """Makes a folder with helices of 20, 21, … residues, called h0.pdb, h1.pdb, …"""

    def make(count: int) -> Path:
        folder = tmp_path / "helices"
        folder.mkdir()
        for i in range(count):
            (folder / f"h{i}.pdb").write_bytes(pdb_text(helix(20 + i)))
        return folder

    return make
