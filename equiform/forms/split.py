"""The split form of a space with its dual: J = [[0, I], [I, 0]], isometry group O(m, m)."""

import torch
from torch import Tensor

from equiform.forms._base import BilinearForm


class SplitForm(BilinearForm):
    r""":math:`\langle (v, w), (v', w')\rangle = v \cdot w' + w \cdot v'`: vectors before covectors.

    The natural pairing on :math:`V \oplus V^*`, symmetric and of signature (m, m); every invertible
    change of basis of V acts on it as an isometry.
    """

    def check_dim(self, d: int) -> None:
        """Raise ValueError unless d is even and positive."""
        if d < 2 or d % 2:
            raise ValueError(f"SplitForm needs an even dimension, got d={d}")

    def apply(self, x: Tensor) -> Tensor:
        """Rows (v, w) ↦ (v, w) J = (w, v)."""
        self.check_dim(x.shape[-1])
        v, w = x.chunk(2, dim=-1)
        return torch.cat([w, v], dim=-1)
