"""Chains to learn from, and their batches."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import cast

from torch_geometric.data import Batch
from torch_geometric.data.data import BaseData

from equiform.augment import CloudBatch
from equiform.data import ProteinDataset, download_entries, entry_ids

NUM_SYNTHETIC = 1024


def load_chains(source: str, cache: Path) -> ProteinDataset:
    """Chains to learn from.

    Args:
        source: ``"synthetic"``; ``"rcsb"``, which downloads some 300 entries once; or the path of
            a PDB or mmCIF file, a folder or an archive.
        cache: folder for what is downloaded and parsed.

    Raises:
        DownloadError: the server of the PDB cannot be reached.
        FileNotFoundError: there is nothing at the path.
        StructureFormatError: an archive is damaged.
    """
    if source == "synthetic":
        # The settings of the examples were chosen on the chains of seed 0: these are new ones.
        return ProteinDataset.synthetic(NUM_SYNTHETIC, seed=1)
    if source == "rcsb":
        download_entries(entry_ids(), cache / "rcsb")
        return ProteinDataset.from_path(cache / "rcsb", cache=cache / "parsed")
    return ProteinDataset.from_path(source, cache=cache / "parsed")


def collate(chains: Iterable[BaseData]) -> CloudBatch:
    """The batch of all chains."""
    return cast(CloudBatch, Batch.from_data_list(list(chains)))
