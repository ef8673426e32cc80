"""Protein C-alpha point clouds as a PyG dataset."""

from __future__ import annotations

import copy
import hashlib
import logging
import math
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, Self, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from equiform._extras import require
from equiform._points import check_points
from equiform.data._cache import Arrays, cached_arrays
from equiform.data._clusters import find_clusters, read_clusters
from equiform.data.archive import (
    ReadLimits,
    StructureFormatError,
    iter_structure_files,
    structure_stem,
)
from equiform.data.backbone import synthetic_backbones
from equiform.data.structure import READER_VERSION, parse_calpha

require("torch_geometric", extra="proteins")
from torch_geometric.data import Data, Dataset  # noqa: E402

_log = logging.getLogger(__name__)

UNKNOWN_CLUSTER = -1


def protein_item(name: str, coordinates: Tensor, cluster: int = UNKNOWN_CLUSTER) -> Data:
    """The item of a `ProteinDataset` that is made of one cloud.

    Args:
        name: of the structure.
        coordinates: (n, 3), ångström, finite; at least two different points.
        cluster: of similar sequences; -1 if unknown.
    """
    if not isinstance(name, str):
        raise TypeError(f"name must be a string, got {name!r}")
    check_points("(n, d)", real=True, coordinates=coordinates)
    if coordinates.shape[1] != 3:
        raise ValueError(f"coordinates must have shape (n, 3), got {tuple(coordinates.shape)}")
    centred = coordinates - coordinates.mean(dim=0)
    scale = centred.square().sum(dim=1).mean().sqrt()
    if not (scale.isfinite() and scale > 0):
        radius = f"cloud {name!r} has RMS radius {float(scale)}"
        raise ValueError(f"{radius}; it needs finite coordinates and two different points")
    pos, scale = (centred / scale).float(), scale.float().reshape(1)
    return Data(pos=pos, scale=scale, name=name, cluster=torch.tensor([cluster]))


class ProteinDataset(Dataset):
    """C-alpha clouds of proteins, centred at their centroid and scaled to RMS radius 1.

    Each item is a ``torch_geometric.data.Data`` of n residues with

    * ``pos``: (n, 3) float32, no unit; ``pos * scale`` is in ångström;
    * ``scale``: (1,) float32, the radius of gyration ``sqrt(mean |x - mean x|²)`` in ångström;
    * ``name``: file name without suffixes;
    * ``cluster``: (1,) int64, the cluster of similar sequences, -1 if unknown.

    Build one with `from_path` or `synthetic`, or from clouds of your own, each by `protein_item`.
    Indexing with a slice or a list of positions gives a dataset of those items, and a
    ``torch_geometric.loader.DataLoader`` batches them.

    Args:
        items: at least one; they are held in memory.
        skipped: the reason for each file that was left out, by name; kept as an attribute.
        transform: applied to each item on access, as in PyG.
    """

    def __init__(
        self,
        items: Iterable[Data],
        *,
        skipped: Mapping[str, str] | None = None,
        transform: Callable[[Data], Data] | None = None,
    ) -> None:
        # PyG's own processed files are pickles, so none are declared.
        super().__init__(root=None, transform=transform)
        self.skipped = dict(skipped or {})
        self._items = list(items)
        for item in self._items:
            if not isinstance(item, Data) or "scale" not in item:
                raise TypeError(f"items must be made by protein_item, got {item!r}")
        if not self._items:
            raise ValueError(
                f"ProteinDataset needs at least one structure; {len(self.skipped)} were skipped"
                + "".join(f"\n  {name}: {why}" for name, why in list(self.skipped.items())[:5])
            )

    def len(self) -> int:
        """Number of items, whichever of them indexing left; ``len(dataset)`` counts those."""
        return len(self._items)

    def get(self, idx: int) -> Data:
        """A shallow copy of an item, before `transform`."""
        return copy.copy(self._items[idx])

    @property
    def clusters(self) -> Tensor:
        """(len,) int64, the cluster of each item; -1 where unknown."""
        return torch.cat([self._items[i]["cluster"] for i in self.indices()])

    @classmethod
    def from_path(
        cls,
        path: str | os.PathLike[str],
        *,
        index: str | os.PathLike[str] | None = None,
        cache: str | os.PathLike[str] | None = None,
        min_residues: int = 20,
        max_residues: int | None = None,
        on_error: Literal["skip", "raise"] = "skip",
        limits: ReadLimits | None = None,
        transform: Callable[[Data], Data] | None = None,
    ) -> Self:
        """Read the structures of a file, folder or archive; all chains of a file are one cloud.

        Args:
            path: what `iter_structure_files` reads: a PDB or mmCIF file, a folder, a tar or a zip.
            index: a CSV file with columns ``id`` (file name less suffixes) and ``cluster`` (int);
                by default ``<stem>_index.csv`` beside `path`, where there is one.
            cache: a folder to keep what was parsed in. It is used again for the same content and
                reader, whatever the other arguments; processes that start together parse once.
            min_residues, max_residues: shorter or longer structures are skipped; at least 2, as one
                point has no scale.
            on_error: whether a file that cannot be read is logged and skipped, or raised for.
            limits: how much untrusted files may unpack to.
            transform: of the dataset, which is in the order of file names.

        Raises:
            StructureFormatError: an archive is damaged or hostile; with ``on_error="raise"`` also
                for the first file that cannot be read.
            ValueError: the index has no such columns, or no structure is left.
        """
        if on_error not in ("skip", "raise"):
            raise ValueError(f'on_error must be "skip" or "raise", got {on_error!r}')
        if min_residues < 2:
            raise ValueError(f"min_residues must be at least 2, got {min_residues}")
        limits = limits or ReadLimits()
        clusters = find_clusters(Path(path)) if index is None else read_clusters(Path(index))
        if cache is None:
            arrays = _parse(path, limits)
        else:
            arrays = cached_arrays(cache, _cache_key(path, limits), lambda: _parse(path, limits))
        items, skipped = list[Data](), dict[str, str]()
        for i, file in enumerate(arrays["files"].tolist()):
            found, name = arrays[str(i)], structure_stem(file) or file
            if not found.ndim:
                if on_error == "raise":
                    raise StructureFormatError(str(found))
                skipped[file] = str(found)
            elif len(found) < min_residues:
                skipped[file] = f"{file}: {len(found)} residues, min_residues={min_residues}"
            elif max_residues is not None and len(found) > max_residues:
                skipped[file] = f"{file}: {len(found)} residues, max_residues={max_residues}"
            else:
                cluster = clusters.get(name, UNKNOWN_CLUSTER)
                items.append(protein_item(name, torch.from_numpy(found), cluster))
        for reason in skipped.values():
            _log.info("skipped %s", reason)
        if skipped:
            counts = f"{Path(path).name}: {len(items)} structures read, {len(skipped)} skipped"
            _log.warning("%s; reasons at level INFO and in `skipped`", counts)
        return cls(items, skipped=skipped, transform=transform)

    @classmethod
    def synthetic(
        cls,
        count: int = 512,
        *,
        seed: int = 0,
        min_residues: int = 60,
        max_residues: int = 150,
        transform: Callable[[Data], Data] | None = None,
    ) -> Self:
        """Chains of `synthetic_backbones`, ``synthetic-0`` and on, each a cluster of its own.

        The same seed gives the same chains on the same machine.
        """
        generator = torch.Generator().manual_seed(seed)
        backbones = synthetic_backbones(
            count, min_residues=min_residues, max_residues=max_residues, generator=generator
        )
        chains = (atoms[:, 1] for atoms in backbones)
        items = (protein_item(f"synthetic-{i}", chain, i) for i, chain in enumerate(chains))
        return cls(items, transform=transform)

    def split_by_cluster(self, fractions: Sequence[float], *, seed: int = 0) -> tuple[Self, ...]:
        """Split such that no cluster of similar sequences is on two sides.

        A chain of unknown cluster counts as a cluster of its own, and the log warns of it: its
        relatives may then be on another side. Clusters are placed largest first, each where most
        room is left, so that the sides come as close to `fractions` as whole clusters allow.

        Args:
            fractions: positive, adding up to 1, one for each side.
            seed: draws the order of clusters of equal size; the same seed gives the same split.

        Returns:
            A dataset for each fraction, none empty; each item is in exactly one.
        """
        if min(fractions, default=0) <= 0 or not math.isclose(sum(fractions), 1.0):
            raise ValueError(f"fractions must be positive and add up to 1, got {fractions}")
        members, clusters = defaultdict[tuple[int, int], list[int]](list), self.clusters.tolist()
        for position, cluster in enumerate(clusters):
            members[cluster, position if cluster == UNKNOWN_CLUSTER else -1].append(position)
        if unknown := clusters.count(UNKNOWN_CLUSTER):
            _log.warning("%d of %d chains have no cluster: split one by one", unknown, len(self))
        groups = list(members.values())
        order = torch.randperm(len(groups), generator=torch.Generator().manual_seed(seed)).tolist()
        room = [fraction * len(self) for fraction in fractions]
        sides: list[list[int]] = [[] for _ in fractions]
        for group in sorted((groups[i] for i in order), key=len, reverse=True):
            side = room.index(max(room))
            sides[side] += group
            room[side] -= len(group)
        if not all(sides):
            of = f"{len(self)} items in {len(groups)} clusters"
            raise ValueError(f"fractions={fractions} leave a side of {of} empty; use larger ones")
        return tuple(cast(Self, self[sorted(side)]) for side in sides)


def _parse(path: str | os.PathLike[str], limits: ReadLimits) -> Arrays:
    """Names of the ``files`` of a path, and by their position the coordinates of each structure.

    Where a file cannot be read, a string without dimensions says why.
    """
    found: dict[str, NDArray[Any]] = {}
    for file, data in iter_structure_files(path, limits=limits):
        try:
            found[file] = parse_calpha(file, data, limits=limits).coordinates
        except StructureFormatError as error:
            found[file] = np.array(str(error))
    by_position = {str(i): array for i, array in enumerate(found.values())}
    return {"files": np.array(list(found), dtype=str), **by_position}


def _cache_key(path: str | os.PathLike[str], limits: ReadLimits) -> str:
    digest = hashlib.sha256(f"{READER_VERSION} {version('gemmi')} {limits}".encode())
    for file, data in iter_structure_files(path, limits=limits):
        # Lengths first: no two different lists of files run together into the same bytes.
        digest.update(f"{len(file)} {file} {len(data)} ".encode(errors="surrogateescape"))
        digest.update(data)
    return digest.hexdigest()
