"""Protein C-alpha point clouds as a PyG dataset."""

from __future__ import annotations

import hashlib
import logging
import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Literal, Self, cast

import numpy as np
import torch
from torch import Tensor

from equiform._extras import require
from equiform.data._cache import Arrays, cached_arrays
from equiform.data._clusters import find_clusters, read_clusters
from equiform.data.archive import ReadLimits, StructureFormatError, iter_structure_files
from equiform.data.backbone import synthetic_backbones
from equiform.data.structure import READER_VERSION, CalphaTrace, parse_calpha

require("torch_geometric", extra="proteins")
from torch_geometric.data import Data, InMemoryDataset  # noqa: E402

_log = logging.getLogger(__name__)

UNKNOWN_CLUSTER = -1


@dataclass(frozen=True)
class ProteinCloud:
    """What a `ProteinDataset` is made of.

    Attributes:
        name: of the structure.
        coordinates: (n, 3), ångström; at least two different points.
        cluster: of similar sequences; -1 if unknown.
    """

    name: str
    coordinates: Tensor
    cluster: int = UNKNOWN_CLUSTER


class ProteinDataset(InMemoryDataset):
    """C-alpha clouds of proteins, centred at their centroid and scaled to RMS radius 1.

    Each item is a ``torch_geometric.data.Data`` of n residues with

    * ``pos``: (n, 3) float32, no unit; ``pos * scale`` is in ångström;
    * ``scale``: (1,) float32, the radius of gyration ``sqrt(mean |x - mean x|²)`` in ångström;
    * ``name``: file name without suffixes;
    * ``cluster``: (1,) int64, the cluster of similar sequences, -1 if unknown.

    Build one with `from_path` or `synthetic`, or from clouds of your own. Indexing with a slice or
    a list of positions gives a dataset of those items, and a ``torch_geometric.loader.DataLoader``
    batches them.

    Args:
        clouds: at least one.
        skipped: the reason for each file that was left out, by name; kept as an attribute.
        transform: applied to each item on access, as in PyG.

    Raises:
        ValueError: there is no cloud, or one has no extent or is not finite.
    """

    def __init__(
        self,
        clouds: Iterable[ProteinCloud],
        *,
        skipped: Mapping[str, str] | None = None,
        transform: Callable[[Data], Data] | None = None,
    ) -> None:
        # PyG's own processed files are pickles, so none are declared: everything is in memory.
        super().__init__(root=None, transform=transform)
        self.skipped = dict(skipped or {})
        items = [_to_data(cloud) for cloud in clouds]
        if not items:
            raise ValueError(
                f"ProteinDataset needs at least one structure; {len(self.skipped)} were skipped"
                + "".join(f"\n  {name}: {why}" for name, why in list(self.skipped.items())[:5])
            )
        self.data, self.slices = self.collate(items)

    @property
    def clusters(self) -> Tensor:
        """(len,) int64, the cluster of each item; -1 where unknown."""
        assert isinstance(self._data, Data)
        return self._data["cluster"][list(self.indices())]

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
            min_residues: shorter structures are skipped; at least 2, as one point has no scale.
            max_residues: longer structures are skipped.
            on_error: whether a file that cannot be read is logged and skipped, or raised for.
            limits: how much untrusted files may unpack to.
            transform: applied to each item on access, as in PyG.

        Returns:
            The dataset, in the order of file names.

        Raises:
            FileNotFoundError: there is nothing at `path`, or at `index` where given.
            StructureFormatError: an archive is damaged or hostile; with ``on_error="raise"`` also
                for the first file that cannot be read.
            ValueError: an argument is out of range, the index has no such columns, or no structure
                is left.
        """
        if on_error not in ("skip", "raise"):
            raise ValueError(f'on_error must be "skip" or "raise", got {on_error!r}')
        if min_residues < 2:
            raise ValueError(f"min_residues must be at least 2, got {min_residues}")
        limits = limits or ReadLimits()
        clusters = read_clusters(Path(index)) if index is not None else find_clusters(Path(path))
        if cache is None:
            arrays = _parse(path, limits)
        else:
            arrays = cached_arrays(cache, _cache_key(path, limits), lambda: _parse(path, limits))
        skipped = dict(zip(arrays["bad"].tolist(), arrays["reasons"].tolist(), strict=True))
        if skipped and on_error == "raise":
            raise StructureFormatError(next(iter(skipped.values())))
        clouds: list[ProteinCloud] = []
        for file, name, points in zip(
            arrays["files"].tolist(),
            arrays["names"].tolist(),
            np.split(arrays["coordinates"], np.cumsum(arrays["lengths"]))[:-1],
            strict=True,
        ):
            if len(points) < min_residues:
                skipped[file] = f"{file}: {len(points)} residues, min_residues={min_residues}"
            elif max_residues is not None and len(points) > max_residues:
                skipped[file] = f"{file}: {len(points)} residues, max_residues={max_residues}"
            else:
                cluster = clusters.get(name, UNKNOWN_CLUSTER)
                clouds.append(ProteinCloud(name, torch.from_numpy(points), cluster))
        _report(skipped, read=len(clouds), source=Path(path).name)
        return cls(clouds, skipped=skipped, transform=transform)

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
        """Synthetic chains, for where no real ones are at hand; see `synthetic_backbones`.

        Args:
            count: number of chains.
            seed: the same seed gives the same chains on the same machine.
            min_residues: length of the shortest chain.
            max_residues: length of the longest chain.
            transform: applied to each item on access, as in PyG.

        Returns:
            The dataset, with chains named ``synthetic-0`` and on, each a cluster of its own.

        Raises:
            ValueError: `count` is under 1, or the lengths are out of order or under 2.
        """
        backbones = synthetic_backbones(
            count,
            min_residues=min_residues,
            max_residues=max_residues,
            generator=torch.Generator().manual_seed(seed),
        )
        clouds = (
            ProteinCloud(f"synthetic-{i}", atoms[:, 1], cluster=i)
            for i, atoms in enumerate(backbones)
        )
        return cls(clouds, transform=transform)

    def split_by_cluster(self, fractions: Sequence[float], *, seed: int = 0) -> tuple[Self, ...]:
        """Split such that no cluster of similar sequences is on two sides.

        A chain of unknown cluster counts as a cluster of its own, and the log warns of it: its
        relatives may then be on another side. Clusters are placed largest first, each where most
        room is left, so that the sides come as close to `fractions` as whole clusters allow.

        Args:
            fractions: positive, adding up to 1, one for each side.
            seed: draws the order of clusters of equal size; the same seed gives the same split.

        Returns:
            A dataset for each fraction; each item is in exactly one.

        Raises:
            ValueError: `fractions` is not as said, or a side would be empty.
        """
        if min(fractions, default=0) <= 0 or not math.isclose(sum(fractions), 1.0):
            raise ValueError(f"fractions must be positive and add up to 1, got {fractions}")
        members: dict[tuple[int, int], list[int]] = {}
        clusters = self.clusters.tolist()
        for position, cluster in enumerate(clusters):
            alone = position if cluster == UNKNOWN_CLUSTER else -1
            members.setdefault((cluster, alone), []).append(position)
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
            raise ValueError(
                f"fractions={fractions} leave a side of {len(self)} items in {len(groups)} "
                f"clusters empty; use fewer or larger fractions"
            )
        return tuple(cast(Self, self[sorted(side)]) for side in sides)


def _to_data(cloud: ProteinCloud) -> Data:
    centred = cloud.coordinates - cloud.coordinates.mean(dim=0)
    scale = centred.square().sum(dim=1).mean().sqrt()
    if not (scale.isfinite() and scale > 0):
        raise ValueError(
            f"cloud {cloud.name!r} has RMS radius {float(scale)}; it needs finite coordinates and "
            f"two different points"
        )
    return Data(
        pos=(centred / scale).float(),
        scale=scale.float().reshape(1),
        name=cloud.name,
        cluster=torch.tensor([cloud.cluster]),
    )


def _parse(path: str | os.PathLike[str], limits: ReadLimits) -> Arrays:
    """All structures of a path as flat arrays, which a cache holds without pickling."""
    files: list[str] = []
    traces: list[CalphaTrace] = []
    bad: dict[str, str] = {}
    for file, data in iter_structure_files(path, limits=limits):
        try:
            traces.append(parse_calpha(file, data, limits=limits))
            files.append(file)
        except StructureFormatError as error:
            bad[file] = str(error)
    return {
        "files": np.array(files, dtype=str),
        "names": np.array([trace.name for trace in traces], dtype=str),
        "lengths": np.array([len(trace) for trace in traces], dtype=np.int64),
        "coordinates": np.concatenate([np.empty((0, 3)), *(t.coordinates for t in traces)]),
        "bad": np.array(list(bad), dtype=str),
        "reasons": np.array(list(bad.values()), dtype=str),
    }


def _cache_key(path: str | os.PathLike[str], limits: ReadLimits) -> str:
    digest = hashlib.sha256(f"{READER_VERSION} {version('gemmi')} {limits}".encode())
    for file, data in iter_structure_files(path, limits=limits):
        # Lengths first: no two different lists of files run together into the same bytes.
        digest.update(f"{len(file)} {file} {len(data)} ".encode(errors="surrogateescape"))
        digest.update(data)
    return digest.hexdigest()


def _report(skipped: Mapping[str, str], *, read: int, source: str) -> None:
    for reason in skipped.values():
        _log.info("skipped %s", reason)
    if skipped:
        _log.warning(
            "%s: %d structures read, %d skipped; reasons at level INFO and in `skipped`",
            source,
            read,
            len(skipped),
        )
