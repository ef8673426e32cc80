"""What was measured on a device and decides how work runs there: data, by device."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor

T = TypeVar("T")


class Tuned(Generic[T]):
    """A JSON file of entries by name of the GPU, or by type of device where none was measured.

    Args:
        file: the JSON.
        parse: makes of an entry what :meth:`of` returns.
        default: the entry of devices that have none of their own.

    Attributes:
        entries: all that the file holds, parsed.
    """

    def __init__(self, file: Path, parse: Callable[[Any], T], *, default: str) -> None:
        self.file = file
        self.parse = parse
        self._default = default
        self.entries = {name: parse(entry) for name, entry in self._read().items()}
        self._only: T | None = None

    def of(self, device: torch.device) -> T:
        """What holds on a device."""
        if self._only is not None:
            return self._only
        for name in (device_name(device), device.type):
            if name in self.entries:
                return self.entries[name]
        return self.entries[self._default]

    @contextmanager
    def using(self, entry: Any) -> Iterator[None]:
        """Within, an entry that is not in the file holds on every device: to measure it."""
        before, self._only = self._only, self.parse(entry)
        try:
            yield
        finally:
            self._only = before

    def write(self, name: str, entry: Any, file: Path | None = None) -> None:
        """Put the entry of a device into the file, or into a copy of it elsewhere."""
        self.parse(entry)  # what cannot be read is not written
        table = self._read(file) | {name: entry}
        (file or self.file).write_text(json.dumps(table, indent=2) + "\n", encoding="utf-8")

    def _read(self, file: Path | None = None) -> dict[str, Any]:
        return json.loads((file or self.file).read_text(encoding="utf-8"))


class Launch(Tuned[dict[str, list[tuple[float, T]]]]):
    """Launch parameters of kernels, by device, dtype and the largest d that they are for.

    Args:
        file: the JSON; within a dtype narrow before wide.
        make: makes the parameters of an entry's last level.
    """

    def __init__(self, file: Path, make: Callable[[dict[str, Any]], T]) -> None:
        def parse(entry: Any) -> dict[str, list[tuple[float, T]]]:
            return {
                dtype: [(float(widest), make(kernels)) for widest, kernels in by_width.items()]
                for dtype, by_width in entry.items()
            }

        super().__init__(file, parse, default="cuda")

    def configs_for(self, x: Tensor) -> T:
        """The parameters for embeddings ``(..., d)``, on their device."""
        table = self.of(x.device)
        table = table.get(str(x.dtype).removeprefix("torch."), table["float32"])
        return next(configs for widest, configs in table if x.shape[-1] <= widest)


def device_name(device: torch.device) -> str:
    """Name of a GPU, such as ``NVIDIA H200``; the type of any other device."""
    return _gpu_name(device.index) if device.type == "cuda" else device.type


@functools.cache
def _gpu_name(index: int | None) -> str:
    return torch.cuda.get_device_name(index)
