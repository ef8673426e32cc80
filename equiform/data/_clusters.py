"""The index of a set of structures: which cluster of similar sequences each belongs to."""

from __future__ import annotations

import csv
import re
from pathlib import Path


class _NoClustersError(ValueError):
    """A CSV file without the columns of an index."""


def find_clusters(path: Path) -> dict[str, int]:
    """Clusters of the index beside a path; none where there is no such file or it has none."""
    stem = re.sub(r"\.(tar(\.[xg]z)?|t[xg]z|zip)$", "", path.name)
    try:
        return read_clusters(path.with_name(f"{stem}_index.csv"))
    except (FileNotFoundError, _NoClustersError):
        return {}


def read_clusters(index: Path) -> dict[str, int]:
    """Clusters by structure name, from the columns ``id`` and ``cluster`` of a CSV file."""
    with index.open(newline="", encoding="utf-8-sig") as stream:
        rows = csv.DictReader(stream)
        if not {"id", "cluster"} <= set(rows.fieldnames or ()):
            raise _NoClustersError(
                f"{index.name}: needs columns id and cluster, has {rows.fieldnames}"
            )
        try:
            return {row["id"]: int(row["cluster"]) for row in rows}
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"{index.name}, line {rows.line_num}: cluster must be an integer ({error})"
            ) from error
