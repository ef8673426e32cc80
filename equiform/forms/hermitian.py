"""The Hermitian form of complex embeddings: J = I, sesquilinear, isometry group U(n)."""

from torch import Tensor

from equiform.forms._base import BilinearForm


class HermitianForm(BilinearForm):
    r""":math:`\langle x, y\rangle = \sum_i x_i \bar y_i` on complex embeddings."""

    sesquilinear = True

    def apply(self, x: Tensor) -> Tensor:
        """Rows x ↦ x; J is the identity."""
        self.check_dim(x.shape[-1])
        return x
