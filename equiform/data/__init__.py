"""Data sets to learn equivariant representations from: protein C-alpha clouds, real and synthetic.

Names load on first use, so that each asks only for the packages it needs; reading and downloading
structures needs ``pip install "equiform[proteins]"``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from equiform._extras import load_lazily

if TYPE_CHECKING:
    from equiform.data._download import DownloadError
    from equiform.data.archive import ReadLimits, iter_structure_files
    from equiform.data.backbone import synthetic_backbones
    from equiform.data.proteins import ProteinCloud, ProteinDataset
    from equiform.data.rcsb import download_entries, entry_ids
    from equiform.data.structure import (
        CalphaTrace,
        StructureFormatError,
        parse_calpha,
        read_calpha,
    )

__all__ = [
    "CalphaTrace",
    "DownloadError",
    "ProteinCloud",
    "ProteinDataset",
    "ReadLimits",
    "StructureFormatError",
    "download_entries",
    "entry_ids",
    "iter_structure_files",
    "parse_calpha",
    "read_calpha",
    "synthetic_backbones",
]

_SUBMODULE_OF = {
    "CalphaTrace": "structure",
    "DownloadError": "_download",
    "ProteinCloud": "proteins",
    "ProteinDataset": "proteins",
    "ReadLimits": "archive",
    "StructureFormatError": "archive",
    "download_entries": "rcsb",
    "entry_ids": "rcsb",
    "iter_structure_files": "archive",
    "parse_calpha": "structure",
    "read_calpha": "structure",
    "synthetic_backbones": "backbone",
}


def __getattr__(name: str) -> Any:
    return load_lazily(__name__, _SUBMODULE_OF, name)
