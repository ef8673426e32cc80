"""The encoder as the report sees it: frozen, checked, projected, in double precision."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from equiform.audit.batches import ReportError
from equiform.manifolds._base import EmbeddingManifold

#: Largest entries of embeddings, of which squares are summed, lie between this and its inverse.
LARGEST = 1e140
#: Relative difference above which two results are not those of one deterministic function. Rounding
#: on a GPU whose sums run in no fixed order stays below; a random transformation does not.
SAME = 1e-5


@dataclass
class Embedding:
    """Embeddings ``(n, d)`` of batches, projected to the manifold if any, in double precision."""

    encoder: Callable[[Any], Tensor]
    manifold: EmbeddingManifold | None
    #: Machine epsilon of the dtype that they last came in.
    eps: float = torch.finfo(torch.float64).eps

    def __call__(self, batch: Any, transformation: str | None = None) -> Tensor:
        """Embeddings of a batch; the transformation that made it is named in errors.

        Raises:
            ReportError: the encoder's output is no finite ``(n, d)`` tensor of floating-point
                numbers, or squares of its entries overflow or vanish.
        """
        z = self.encoder(batch)
        problem = None
        if not isinstance(z, Tensor) or z.ndim != 2 or not z.shape[1]:
            got = f"shape {tuple(z.shape)}" if isinstance(z, Tensor) else type(z).__name__
            problem = (
                f"the encoder must return a tensor (n, d), got {got}; flatten or pool its output, "
                "for instance with lambda x: encoder(x).flatten(1)"
            )
        elif not (z.is_floating_point() or z.is_complex()):
            problem = f"the encoder must return floating-point numbers, got {z.dtype}"
        elif not z.isfinite().all():
            problem = "the encoder returned embeddings that are not finite"
        else:
            self.eps = torch.finfo(z.dtype).eps
            z = z.detach().to(torch.promote_types(z.dtype, torch.float64))
            z = z if self.manifold is None else self.manifold.project(z)
            size = z.abs().max().item() if len(z) else 0.0
            if size != 0 and not 1 / LARGEST <= size <= LARGEST:
                problem = (
                    f"the encoder returned embeddings up to {size:.3g}, whose squares overflow or "
                    "vanish in double precision; scale them, which changes no verdict"
                )
        if problem is not None:
            where = "" if transformation is None else f"transformation {transformation!r}: "
            raise ReportError(where + problem)
        return z


@contextmanager
def frozen(encoder: Callable[[Any], Tensor], device: torch.device | str | None) -> Generator[None]:
    """Without gradients, a module in eval mode and on the device; its modes are restored after."""
    training = []
    if isinstance(encoder, nn.Module):
        # One by one: a module that was frozen on purpose stays so.
        training = [module for module in encoder.modules() if module.training]
        encoder.eval().to(device)
    try:
        with torch.no_grad():
            yield
    finally:
        for module in training:
            module.training = True


def check_transformation(
    name: str, transformation: Callable[[Any], Any], batch: Any, embed: Embedding
) -> None:
    """Apply a transformation twice to a batch and compare; batches other than tensors by embedding.

    Raises:
        ReportError: it writes to its batch, is random, or changes the number of rows.
    """

    def fingerprint(batch: Any) -> Tensor:
        return batch.clone() if isinstance(batch, Tensor) else embed(batch)

    before = fingerprint(batch)
    once = fingerprint(transformation(batch))
    if _differ(before, fingerprint(batch)):
        raise ReportError(
            f"transformation {name!r} writes to its batch; return a new one, for instance of "
            "batch.clone()"
        )
    if _differ(once, fingerprint(transformation(batch))):
        raise ReportError(
            f"transformation {name!r} is random: applied twice to one batch, it gave different "
            "results. Draw its parameters once and name each draw as a transformation of its own, "
            "for instance {'rotate by 30°': partial(rotate, degrees=30)}"
        )
    shape, moved = embed(batch).shape, embed(transformation(batch), name).shape
    if shape != moved:
        raise ReportError(
            f"transformation {name!r} must keep the rows of a batch: embeddings have shape "
            f"{tuple(shape)} before and {tuple(moved)} after"
        )


def _differ(x: Tensor, y: Tensor) -> bool:
    if x.shape != y.shape:
        return True
    work = torch.promote_types(x.dtype, torch.float64)
    x, y = x.to(work), y.to(work)
    scale = x.where(x.isfinite(), 0).abs().amax().item() if x.numel() else 0.0
    return not torch.allclose(x, y, rtol=0, atol=SAME * scale, equal_nan=True)
