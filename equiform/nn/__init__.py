"""Encoders to train with the losses of equiform; names load on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from equiform._extras import lazy_exports

if TYPE_CHECKING:
    from equiform.nn.deepsets import DeepSets as DeepSets
    from equiform.nn.heads import ProjectionHead as ProjectionHead
    from equiform.nn.momentum import MomentumEncoder as MomentumEncoder
    from equiform.nn.queue import EmbeddingQueue as EmbeddingQueue
    from equiform.nn.resnet import BasicBlock as BasicBlock
    from equiform.nn.resnet import Bottleneck as Bottleneck
    from equiform.nn.resnet import ResNet as ResNet
    from equiform.nn.resnet import resnet18 as resnet18
    from equiform.nn.resnet import resnet50 as resnet50
    from equiform.nn.whitening import Whitening as Whitening
else:
    __getattr__, __dir__, __all__ = lazy_exports(__name__)
