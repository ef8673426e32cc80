"""Batches of any data source, in one seeded random order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, default_collate

from equiform._extras import require


class ReportError(ValueError):
    """The encoder, the data or a transformation is not one that can be reported on."""


class Batches:
    """A data source in seeded random order, split into a half to fit on and a half to measure on.

    Args:
        data: a tensor ``(N, ...)``, a map-style dataset or a DataLoader, of which the dataset and
            the ``collate_fn`` are taken. Of an item that is a tuple or list, the first element.
        batch_size: the most rows of a batch.
        collate: makes a batch of a list of whole items; of a batch that is a tuple or list, the
            first element is taken. torch's default, of their first elements, unless given.
        device: where batches are moved; they stay where they are unless given.
        generator: draws the permutation.

    Raises:
        ReportError: there are fewer than 4 items, or the source is none of the three.
    """

    def __init__(
        self,
        data: Any,
        *,
        batch_size: int,
        collate: Callable[[list[Any]], Any] | None,
        device: torch.device | str | None,
        generator: torch.Generator,
    ) -> None:
        if batch_size < 1:
            raise ReportError(f"batch_size must be positive, got {batch_size}")
        if isinstance(data, DataLoader):
            if collate is None and data.collate_fn is not default_collate:
                collate = data.collate_fn
            data = data.dataset
        if not (hasattr(data, "__len__") and hasattr(data, "__getitem__")):
            raise ReportError(
                "data must be a tensor, a map-style dataset (with __len__ and __getitem__) or a "
                f"DataLoader of one, got {type(data).__name__}"
            )
        if len(data) < 4:
            raise ReportError(f"data must hold at least 4 items, 2 in each half, got {len(data)}")
        self.data = data
        self.batch_size = batch_size
        self.collate = collate
        self.device = device
        order = torch.randperm(len(data), generator=generator)
        self.fit, self.held_out = order.tensor_split(2)

    def chunks(self, half: Tensor) -> Sequence[Tensor]:
        """Indices of the batches of one half, each to be given to :meth:`load`."""
        return half.split(self.batch_size)

    def load(self, indices: Tensor) -> Any:
        """The batch of these items."""
        if isinstance(self.data, Tensor):
            return to_device(self.data[indices.to(self.data.device)], self.device)
        items = [self.data[i] for i in indices.tolist()]
        if self.collate is None:
            return to_device(default_collate([_first(item) for item in items]), self.device)
        return to_device(_first(self.collate(items)), self.device)


def to_device(batch: Any, device: torch.device | str | None) -> Any:
    """A batch, or a mapping of batches, on a device."""
    if device is None:
        return batch
    if hasattr(batch, "to"):
        return batch.to(device)
    if isinstance(batch, Mapping):
        return {key: to_device(value, device) for key, value in batch.items()}
    return batch


def _first(item: Any) -> Any:
    return item[0] if isinstance(item, tuple | list) else item


def with_progress(chunks: Sequence[Tensor], name: str, progress: bool) -> Iterable[Tensor]:
    """The chunks, behind a progress bar where one is wanted and there is a terminal."""
    if not progress:
        return chunks
    return require("tqdm", extra="examples").tqdm(chunks, name, unit="batch", disable=None)
