"""The symplectic form of phase space: J = [[0, I], [-I, 0]], isometry group Sp(2m, R)."""

import torch
from torch import Tensor

from equiform.forms._base import BilinearForm


class SymplecticForm(BilinearForm):
    r""":math:`\langle (q, p), (q', p')\rangle = q \cdot p' - p \cdot q'`, positions before momenta.

    Every vector is isotropic, :math:`\langle x, x\rangle = 0`, so one point carries no
    information: any two nonzero vectors are related by a symplectic map.
    """

    symmetry = -1

    def check_dim(self, d: int) -> None:
        """Raise ValueError unless d is even and positive."""
        if d < 2 or d % 2:
            raise ValueError(f"SymplecticForm needs an even dimension, got d={d}")

    def apply(self, x: Tensor) -> Tensor:
        """Rows (q, p) ↦ (q, p) J = (-p, q)."""
        self.check_dim(x.shape[-1])
        q, p = x.chunk(2, dim=-1)
        return torch.cat([-p, q], dim=-1)
