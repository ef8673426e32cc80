"""Symmetric forms of indefinite signature: Minkowski space and R^{p,q}."""

import torch
from torch import Tensor

from equiform.forms._base import BilinearForm


class MinkowskiForm(BilinearForm):
    r""":math:`\langle x, y\rangle = -x_0 y_0 + \sum_{i \ge 1} x_i y_i`: time first, as in geoopt.

    Its isometry group is the Lorentz group O(1, d-1); embeddings live on the hyperboloid.
    """

    def check_dim(self, d: int) -> None:
        """Raise ValueError unless d holds one time and at least one space dimension."""
        if d < 2:
            raise ValueError(
                f"MinkowskiForm needs one time and at least one space dimension, got d={d}"
            )

    def apply(self, x: Tensor) -> Tensor:
        """Rows x ↦ x J: the time coordinate changes sign."""
        self.check_dim(x.shape[-1])
        return torch.cat([-x[..., :1], x[..., 1:]], dim=-1)


class IndefiniteForm(BilinearForm):
    r"""The form of R^{p,q}, :math:`J = \mathrm{diag}(+1, \ldots, +1, -1, \ldots, -1)`.

    Args:
        p: number of positive directions, which come first.
        q: number of negative directions.
    """

    def __init__(self, p: int, q: int) -> None:
        if p < 0 or q < 0 or p + q < 1:
            raise ValueError(f"IndefiniteForm needs p, q >= 0 and p + q >= 1, got p={p}, q={q}")
        self.p = p
        self.q = q

    def _key(self) -> tuple[object, ...]:
        return (self.p, self.q)

    def check_dim(self, d: int) -> None:
        """Raise ValueError unless d = p + q."""
        if d != self.p + self.q:
            raise ValueError(f"{self!r} lives on p + q = {self.p + self.q} dimensions, got d={d}")

    def apply(self, x: Tensor) -> Tensor:
        """Rows x ↦ x J: the last q coordinates change sign."""
        self.check_dim(x.shape[-1])
        return torch.cat([x[..., : self.p], -x[..., self.p :]], dim=-1)
