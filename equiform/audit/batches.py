"""Batches of any data source, in one seeded random order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, default_collate

from equiform._options import check_count


class ReportError(ValueError):
    """The encoder, the data or a transformation is not one that can be reported on."""


class Batches:
    """A data source in seeded random order, split into a half to fit on and a half to measure on.

    Arguments are as in :func:`equiform.report`; the generator draws the order.

    Raises:
        ReportError: there are fewer than 4 items, or the source is no such.
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
        try:
            batch_size = check_count("batch_size", batch_size)
        except ValueError as error:
            raise ReportError(str(error)) from None
        try:
            device = None if device is None else torch.device(device)
        except (RuntimeError, TypeError):
            raise ReportError(
                f"device must be a device such as 'cpu' or 'cuda', got {device!r}"
            ) from None
        if isinstance(data, DataLoader):
            if collate is None and data.collate_fn is not default_collate:
                collate = data.collate_fn
            data = data.dataset
        scalar = isinstance(data, Tensor) and data.ndim == 0
        indexed = hasattr(data, "__len__") and hasattr(data, "__getitem__")
        if scalar or isinstance(data, str) or not indexed:
            raise ReportError(
                "data must be a tensor, a map-style dataset (with __len__ and __getitem__) or a "
                f"DataLoader of one, got {'a scalar' if scalar else type(data).__name__}"
            )
        if len(data) < 4:
            raise ReportError(f"data must hold at least 4 items, 2 in each half, got {len(data)}")
        self.data, self.batch_size, self.collate, self.device = data, batch_size, collate, device
        order = torch.randperm(len(data), generator=generator)
        self.fit, self.held_out = order.tensor_split(2)

    def load(self, indices: Tensor) -> Any:
        """The batch of these items."""
        if isinstance(self.data, Tensor):
            return self._moved(self.data[indices.to(self.data.device)])
        items = [self.data[i] for i in indices.tolist()]
        if self.collate is None:
            return self._moved(default_collate([_first(item) for item in items]))
        return self._moved(_first(self.collate(items)))

    def _moved(self, batch: Any) -> Any:
        if self.device is not None and hasattr(batch, "to"):
            return batch.to(self.device)
        if isinstance(batch, Mapping) and self.device is not None:
            return {key: self._moved(value) for key, value in batch.items()}
        return batch


def _first(item: Any) -> Any:
    return item[0] if isinstance(item, tuple | list) else item
