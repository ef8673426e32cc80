"""The symplectic form of phase space: J = [[0, I], [-I, 0]], isometry group Sp(2m, R)."""

from equiform.forms.bilinear import BilinearForm
from equiform.forms.signed_permutation import IndexAndSigns


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

    def signed_permutation(self, d: int) -> IndexAndSigns:
        """Rows (q, p) ↦ (-p, q)."""
        m = d // 2
        return [*range(m, d), *range(m)], [-1] * m + [1] * m
