"""Which code computes the log-partition op on which device: the one place that decides."""

from __future__ import annotations

import importlib
from typing import Protocol, cast

from torch import Tensor

from equiform.ops._triton import require_triton, triton_runs
from equiform.ops.info_nce import tiled


class Route(Protocol):
    """A module that computes the op, and its derivative, for some rows of x among all."""

    def log_partition(self, x: Tensor, group: int, rows: range) -> Tensor:
        """As :func:`equiform.ops.info_nce.tiled.log_partition`."""
        ...

    def gradient(
        self, x: Tensor, partition: Tensor, weight: Tensor, group: int, rows: range
    ) -> Tensor:
        """As :func:`equiform.ops.info_nce.tiled.gradient`."""
        ...


def route(backend: str, x: Tensor) -> Route:
    """The module that ``"auto"``, ``"tiled"`` or ``"triton"`` means for x."""
    if backend == "tiled" or (backend == "auto" and not triton_runs(x)):
        return tiled
    require_triton(x)
    return cast(Route, importlib.import_module("equiform.ops.info_nce.triton_kernels"))
