"""Protein chains small enough for the tests."""

from pathlib import Path

import pytest

from equiform.data import ProteinDataset


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
