"""Encoders to train with the losses of equiform; names load on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from equiform._extras import load_lazily

if TYPE_CHECKING:
    from equiform.nn.deepsets import DeepSets
    from equiform.nn.heads import ProjectionHead
    from equiform.nn.momentum import EmbeddingQueue, MomentumEncoder
    from equiform.nn.resnet import BasicBlock, Bottleneck, ResNet, resnet18, resnet50
    from equiform.nn.whitening import Whitening

__all__ = [
    "BasicBlock",
    "Bottleneck",
    "DeepSets",
    "EmbeddingQueue",
    "MomentumEncoder",
    "ProjectionHead",
    "ResNet",
    "Whitening",
    "resnet18",
    "resnet50",
]

_SUBMODULE_OF = {
    "BasicBlock": "resnet",
    "Bottleneck": "resnet",
    "DeepSets": "deepsets",
    "EmbeddingQueue": "momentum",
    "MomentumEncoder": "momentum",
    "ProjectionHead": "heads",
    "ResNet": "resnet",
    "Whitening": "whitening",
    "resnet18": "resnet",
    "resnet50": "resnet",
}


def __getattr__(name: str) -> Any:
    return load_lazily(__name__, _SUBMODULE_OF, name)
