"""What was measured on a device and decides how work runs there: data, by device."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Generic, TypeVar, get_type_hints

import torch
from torch import Tensor

from equiform._files import write_json

T = TypeVar("T")


class Tuned(Generic[T]):
    """A JSON file of entries by name of the GPU, or by type of device where none was measured.

    Args:
        file: the JSON.
        parse: makes of an entry what :meth:`of` returns.
        default: the entry of devices that have none of their own.

    Attributes:
        entries: all that the file holds, parsed.
        measured: within :meth:`using`, what holds on every device.
    """

    def __init__(self, file: Path, parse: Callable[[Any], T], *, default: str) -> None:
        self.file = file
        self.parse = parse
        self._default = default
        self.entries = {name: parse(entry) for name, entry in _read(file).items()}
        self.measured: T | None = None

    def of(self, device: torch.device) -> T:
        """What holds on a device."""
        if self.measured is not None:
            return self.measured
        names = device_name(device), device.type, self._default
        return next(self.entries[name] for name in names if name in self.entries)

    @contextmanager
    def using(self, entry: Any) -> Generator[None]:
        """Within, an entry that is not in the file holds on every device: to measure it."""
        before, self.measured = self.measured, self.parse(entry)
        try:
            yield
        finally:
            self.measured = before

    def write(self, name: str, entry: Any, file: Path | None = None) -> None:
        """Put the entry of a device into the file, or into a copy of it elsewhere."""
        self.parse(entry)  # what cannot be read is not written
        file = file or self.file
        write_json(file, _read(file) | {name: entry})


class Launch(Tuned[dict[str, list[tuple[float, T]]]]):
    """Launch parameters of kernels, by device, dtype and the largest d that they are for.

    Args:
        file: the JSON; within a dtype narrow before wide.
        configs: NamedTuple of the parameters of each kernel, themselves NamedTuples.
    """

    def __init__(self, file: Path, configs: type[T]) -> None:
        kinds = get_type_hints(configs)

        def parse(entry: Any) -> dict[str, list[tuple[float, T]]]:
            return {
                dtype: [
                    (float(widest), configs(**{name: kinds[name](**x[name]) for name in kinds}))
                    for widest, x in by_width.items()
                ]
                for dtype, by_width in entry.items()
            }

        super().__init__(file, parse, default="cuda")

    def configs_for(self, x: Tensor) -> T:
        """The parameters for embeddings ``(..., d)``, on their device."""
        table = self.of(x.device)
        table = table.get(str(x.dtype).removeprefix("torch."), table["float32"])
        return next(configs for widest, configs in table if x.shape[-1] <= widest)


def _read(file: Path) -> dict[str, Any]:
    return json.loads(file.read_text(encoding="utf-8"))


@functools.cache
def device_name(device: torch.device) -> str:
    """Name of a GPU, such as ``NVIDIA H200``; the type of any other device."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
