"""Data sets to learn equivariant representations from: images and protein C-alpha clouds.

Names load on first use, so that each asks only for the packages it needs: reading and downloading
structures needs ``pip install "equiform[proteins]"``; decoding image files and downloading data
sets of images needs ``pip install "equiform[images]"``. CIFAR, STL-10 and what is synthetic need
neither.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from equiform._extras import load_lazily

if TYPE_CHECKING:
    from equiform.data._download import DownloadError
    from equiform.data.archive import ReadLimits, StructureFormatError, iter_structure_files
    from equiform.data.backbone import synthetic_backbones
    from equiform.data.cifar import load_cifar10, load_cifar100
    from equiform.data.flowers102 import load_flowers102
    from equiform.data.image_folder import load_image_folder
    from equiform.data.images import ImageFormatError, ImageSet
    from equiform.data.proteins import ProteinCloud, ProteinDataset
    from equiform.data.rcsb import download_entries, entry_ids
    from equiform.data.remote import (
        CIFAR10_ARCHIVE,
        CIFAR100_ARCHIVE,
        FLOWERS102_FILES,
        STL10_ARCHIVE,
        RemoteFile,
        download_file,
    )
    from equiform.data.shapes import synthetic_shapes
    from equiform.data.stl10 import load_stl10
    from equiform.data.structure import CalphaTrace, parse_calpha, read_calpha

__all__ = [
    "CIFAR10_ARCHIVE",
    "CIFAR100_ARCHIVE",
    "FLOWERS102_FILES",
    "STL10_ARCHIVE",
    "CalphaTrace",
    "DownloadError",
    "ImageFormatError",
    "ImageSet",
    "ProteinCloud",
    "ProteinDataset",
    "ReadLimits",
    "RemoteFile",
    "StructureFormatError",
    "download_entries",
    "download_file",
    "entry_ids",
    "iter_structure_files",
    "load_cifar10",
    "load_cifar100",
    "load_flowers102",
    "load_image_folder",
    "load_stl10",
    "parse_calpha",
    "read_calpha",
    "synthetic_backbones",
    "synthetic_shapes",
]

_SUBMODULE_OF = {
    "CIFAR100_ARCHIVE": "remote",
    "CIFAR10_ARCHIVE": "remote",
    "CalphaTrace": "structure",
    "DownloadError": "_download",
    "FLOWERS102_FILES": "remote",
    "ImageFormatError": "images",
    "ImageSet": "images",
    "ProteinCloud": "proteins",
    "ProteinDataset": "proteins",
    "ReadLimits": "archive",
    "RemoteFile": "remote",
    "STL10_ARCHIVE": "remote",
    "StructureFormatError": "archive",
    "download_entries": "rcsb",
    "download_file": "remote",
    "entry_ids": "rcsb",
    "iter_structure_files": "archive",
    "load_cifar10": "cifar",
    "load_cifar100": "cifar",
    "load_flowers102": "flowers102",
    "load_image_folder": "image_folder",
    "load_stl10": "stl10",
    "parse_calpha": "structure",
    "read_calpha": "structure",
    "synthetic_backbones": "backbone",
    "synthetic_shapes": "shapes",
}


def __getattr__(name: str) -> Any:
    return load_lazily(__name__, _SUBMODULE_OF, name)
