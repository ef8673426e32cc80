"""Which code computes the log-partition op on which device: the one place that decides."""

from __future__ import annotations

import importlib
from types import ModuleType

from torch import Tensor

from equiform.ops._triton import require_triton, triton_runs
from equiform.ops.info_nce import tiled


def route(backend: str, x: Tensor) -> ModuleType:
    """The module that ``"auto"``, ``"tiled"`` or ``"triton"`` means for x; see :mod:`.tiled`."""
    if backend == "tiled" or (backend == "auto" and not triton_runs(x.device)):
        return tiled
    require_triton(x)
    return importlib.import_module("equiform.ops.info_nce.triton.kernels")
