"""Whitening as the last layer of an encoder: embeddings that cannot collapse."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from equiform._options import check_count, check_number
from equiform._points import at_least
from equiform._precision import full_precision
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
        ``(n, d) -> (n, d)``, in the dtype that comes in, computed in float32 or better. A batch
        with NaN or infinity gives NaN, and leaves the running statistics as they are.

    Raises:
        ValueError: in train mode there is one row, or what is squared is 0, overflows (from
            distances of 1e19 in float32 on), or is lost in rounding: all rows are the same.

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

    @full_precision
    def forward(self, z: Tensor) -> Tensor:
        """Whitened embeddings."""
        check_rows("z", z, len(self.mean))
        x, mean, covariance = at_least(torch.float32, z, self.mean, self.covariance)
        if self.training:
            if len(x) < 2:
                raise ValueError(f"z must hold two rows or more in train mode, got {len(x)}")
            mean = x.mean(0)
            covariance = (x - mean).mT @ (x - mean) / len(x)
        scale = covariance.diagonal().mean()
        identity = torch.eye(len(mean), dtype=x.dtype, device=x.device)
        mixed = covariance.lerp(scale * identity, self.shrinkage)
        lower, info = torch.linalg.cholesky_ex(mixed)
        if self.training:
            if not torch.compiler.is_compiling():  # no graph can branch on values
                self._check_spread(x, mean, covariance, (info == 0) & lower.isfinite().all())
            self._remember(mean.detach(), covariance.detach())
        return torch.linalg.solve_triangular(lower, (x - mean).mT, upper=False).mT.to(z.dtype)

    def _check_spread(self, x: Tensor, mean: Tensor, covariance: Tensor, solvable: Tensor) -> None:
        """Raise unless a batch varies, and its covariance has a root, or it is not finite."""
        # Of equal rows the mean is rounded, and rounding is no direction to scale up.
        noise = (16 * torch.finfo(x.dtype).eps * mean).square()
        varies = (covariance.diagonal() > noise).any()
        if not varies & solvable and x.isfinite().all():
            spread = f"{float(covariance.diagonal().mean()):.3g}"
            raise ValueError(
                f"z must vary in a batch, more than by rounding and less than to overflow, got "
                f"variance {spread} around {float(mean.abs().amax()):.3g}; look for a collapse of "
                f"the encoder, or raise shrinkage={self.shrinkage}"
            )

    def _remember(self, mean: Tensor, covariance: Tensor) -> None:
        """Move the running statistics towards those of a batch, unless it is not finite."""
        mean, covariance = mean.to(self.mean), covariance.to(self.covariance)
        finite = mean.isfinite().all() & covariance.isfinite().all()
        self.num_batches += finite
        weight = (1 / self.num_batches.clamp_min(1)).clamp_min(self.momentum)
        for old, new in ((self.mean, mean), (self.covariance, covariance)):
            old.lerp_(torch.where(finite, new, old), weight.to(old))
