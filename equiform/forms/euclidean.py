"""The Euclidean form: J = I, isometry group O(d), embeddings on the sphere."""

from equiform.forms.bilinear import BilinearForm
from equiform.forms.signed_permutation import IndexAndSigns


class EuclideanForm(BilinearForm):
    r""":math:`\langle x, y\rangle = \sum_i x_i y_i`; the form of the CARE paper."""

    def signed_permutation(self, d: int) -> IndexAndSigns:
        """J is the identity."""
        return None, None
