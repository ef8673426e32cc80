"""Whitening as the last layer of an encoder: embeddings that cannot collapse."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from equiform._options import check_count, check_number
from equiform._points import at_least
from equiform.nn._arguments import check_rows


class Whitening(nn.Module):
    r"""Centre a batch and decorrelate it, :math:`z \mapsto L^{-1}(z - μ)` with :math:`LL^t = Σ`.

    No encoder that ends in it can map all inputs to one point or onto one line, whatever the loss.
    A batch norm is not enough: it scales each coordinate, and lets all of them be the same. As it,
    this uses the statistics of the batch in train mode, and running ones in eval mode.

    Args:
        features: d.
        momentum: weight of a new batch in the running statistics, once 1 / momentum were seen;
            until then they are plain means, so that a short run is not left with initial values.
        shrinkage: ε, in (0, 1): Σ is the covariance of the batch, mixed with ε times its mean
            variance, so that directions in which nothing varies are not blown up.

    Shape:
        ``(n, d) -> (n, d)``, in the dtype that comes in, computed in float32 or better

    Source: Ermolov et al., "Whitening for Self-Supervised Representation Learning", ICML 2021.
    """

    mean: Tensor
    covariance: Tensor
    num_batches: Tensor

    def __init__(self, features: int, *, momentum: float = 0.1, shrinkage: float = 1e-3) -> None:
        super().__init__()
        features = check_count("features", features)
        self.momentum = check_number("momentum", momentum, positive=True)
        self.shrinkage = check_number("shrinkage", shrinkage, positive=True)
        if momentum > 1 or shrinkage >= 1:
            given = f"momentum={momentum} and shrinkage={shrinkage}"
            raise ValueError(f"momentum must be in (0, 1] and shrinkage in (0, 1), got {given}")
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("covariance", torch.eye(features))
        self.register_buffer("num_batches", torch.zeros((), dtype=torch.long))

    def forward(self, z: Tensor) -> Tensor:
        """Whitened embeddings."""
        check_rows("z", z, len(self.mean))
        x, mean, covariance = at_least(torch.float32, z, self.mean, self.covariance)
        with torch.autocast(z.device.type, enabled=False):
            if self.training:
                mean = x.mean(0)
                covariance = (x - mean).mT @ (x - mean) / len(x)
                self.num_batches += 1
                weight = (1 / self.num_batches).clamp_min(self.momentum)
                for old, new in ((self.mean, mean), (self.covariance, covariance)):
                    old.lerp_(new.detach().to(old), weight.to(old))
            scale = covariance.diagonal().mean()
            identity = torch.eye(len(mean), dtype=x.dtype, device=x.device)
            lower = torch.linalg.cholesky(covariance.lerp(scale * identity, self.shrinkage))
            return torch.linalg.solve_triangular(lower, (x - mean).mT, upper=False).mT.to(z.dtype)
