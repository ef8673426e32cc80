"""The Euclidean form: J = I, isometry group O(d), embeddings on the sphere."""

from torch import Tensor

from equiform.forms._base import BilinearForm


class EuclideanForm(BilinearForm):
    r""":math:`\langle x, y\rangle = \sum_i x_i y_i`; the form of the CARE paper."""

    def apply(self, x: Tensor) -> Tensor:
        """Rows x ↦ x; J is the identity."""
        self.check_dim(x.shape[-1])
        return x
