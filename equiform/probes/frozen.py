"""Encoders that a probe may read: those that it cannot move."""

from __future__ import annotations

from torch import nn


def require_frozen(encoder: nn.Module) -> None:
    """Raise RuntimeError unless every part of an encoder is in eval mode.

    A probe that leaves batch norms in train mode lets its own data move the encoder.
    """
    if not isinstance(encoder, nn.Module):
        raise TypeError(f"encoder must be a module, got {encoder!r}; write it as an nn.Module")
    training = [name or type(encoder).__name__ for name, m in encoder.named_modules() if m.training]
    if training:
        raise RuntimeError(
            f"the encoder is not frozen: {training[0]} is in train mode; call encoder.eval() first"
        )
