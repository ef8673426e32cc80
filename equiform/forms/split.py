"""The split form of a space with its dual: J = [[0, I], [I, 0]], isometry group O(m, m)."""

from equiform.forms.bilinear import BilinearForm
from equiform.forms.signed_permutation import IndexAndSigns


class SplitForm(BilinearForm):
    r""":math:`\langle (v, w), (v', w')\rangle = v \cdot w' + w \cdot v'`: vectors before covectors.

    The natural pairing on :math:`V \oplus V^*`, symmetric and of signature (m, m); every invertible
    change of basis of V acts on it as an isometry.
    """

    def check_dim(self, d: int) -> None:
        """Raise ValueError unless d is even and positive."""
        if d < 2 or d % 2:
            raise ValueError(f"SplitForm needs an even dimension, got d={d}")

    def signed_permutation(self, d: int) -> IndexAndSigns:
        """Rows (v, w) ↦ (w, v)."""
        return [*range(d // 2, d), *range(d // 2)], None
