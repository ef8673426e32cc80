"""The Hermitian form of complex embeddings: J = I, sesquilinear, isometry group U(n)."""

from equiform.forms.bilinear import BilinearForm
from equiform.forms.signed_permutation import IndexAndSigns


class HermitianForm(BilinearForm):
    r""":math:`\langle x, y\rangle = \sum_i x_i \bar y_i` on complex embeddings."""

    sesquilinear = True

    def signed_permutation(self, d: int) -> IndexAndSigns:
        """J is the identity."""
        return None, None
