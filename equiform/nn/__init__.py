"""Encoders to train with the losses of equiform; names load on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from equiform._extras import load_lazily

if TYPE_CHECKING:
    from equiform.nn.deepsets import DeepSets
    from equiform.nn.whitening import Whitening

__all__ = ["DeepSets", "Whitening"]

_SUBMODULE_OF = {"DeepSets": "deepsets", "Whitening": "whitening"}


def __getattr__(name: str) -> Any:
    return load_lazily(__name__, _SUBMODULE_OF, name)
