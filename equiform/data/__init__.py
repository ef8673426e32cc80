"""Data sets to learn equivariant representations from: images and protein C-alpha clouds.

Names load on first use, and ask for the packages they need: structures for ``equiform[proteins]``,
image files and downloads of images for ``equiform[images]``. CIFAR, STL-10 and what is synthetic
need neither.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from equiform._extras import lazy_exports

if TYPE_CHECKING:
    from equiform.data._download import DownloadError as DownloadError
    from equiform.data.archive import ReadLimits as ReadLimits
    from equiform.data.archive import StructureFormatError as StructureFormatError
    from equiform.data.archive import iter_structure_files as iter_structure_files
    from equiform.data.backbone import synthetic_backbones as synthetic_backbones
    from equiform.data.cifar import load_cifar10 as load_cifar10
    from equiform.data.cifar import load_cifar100 as load_cifar100
    from equiform.data.flowers102 import load_flowers102 as load_flowers102
    from equiform.data.image_folder import load_image_folder as load_image_folder
    from equiform.data.images import ImageFormatError as ImageFormatError
    from equiform.data.images import ImageSet as ImageSet
    from equiform.data.proteins import ProteinDataset as ProteinDataset
    from equiform.data.proteins import protein_item as protein_item
    from equiform.data.rcsb import download_entries as download_entries
    from equiform.data.rcsb import entry_ids as entry_ids
    from equiform.data.remote import CIFAR10_ARCHIVE as CIFAR10_ARCHIVE
    from equiform.data.remote import CIFAR100_ARCHIVE as CIFAR100_ARCHIVE
    from equiform.data.remote import FLOWERS102_FILES as FLOWERS102_FILES
    from equiform.data.remote import STL10_ARCHIVE as STL10_ARCHIVE
    from equiform.data.remote import RemoteFile as RemoteFile
    from equiform.data.remote import download_file as download_file
    from equiform.data.shapes import synthetic_shapes as synthetic_shapes
    from equiform.data.stl10 import load_stl10 as load_stl10
    from equiform.data.structure import CalphaTrace as CalphaTrace
    from equiform.data.structure import parse_calpha as parse_calpha
    from equiform.data.structure import read_calpha as read_calpha
else:
    __getattr__, __dir__, __all__ = lazy_exports(__name__)
