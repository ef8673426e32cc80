"""Symmetric forms of indefinite signature: Minkowski space and R^{p,q}."""

from equiform._options import check_count
from equiform.forms.bilinear import BilinearForm
from equiform.forms.signed_permutation import IndexAndSigns


class MinkowskiForm(BilinearForm):
    r""":math:`\langle x, y\rangle = -x_0 y_0 + \sum_{i \ge 1} x_i y_i`: time first, as in geoopt.

    Its isometry group is the Lorentz group O(1, d-1), half of which turns time around; embeddings
    live on the hyperboloid, whose isometries are :class:`~equiform.Orthochronous`.
    """

    def check_dim(self, d: int) -> None:
        """Raise ValueError unless d holds one time and at least one space dimension."""
        if d < 2:
            raise ValueError(
                f"MinkowskiForm needs one time and at least one space dimension, got d={d}"
            )

    def signed_permutation(self, d: int) -> IndexAndSigns:
        """The time coordinate changes sign."""
        return None, [-1] + [1] * (d - 1)


class IndefiniteForm(BilinearForm):
    r"""The form of R^{p,q}, :math:`J = \mathrm{diag}(+1, \ldots, +1, -1, \ldots, -1)`.

    Args:
        p: number of positive directions, which come first.
        q: number of negative directions.
    """

    def __init__(self, p: int, q: int) -> None:
        self.p, self.q = check_count("p", p, least=0), check_count("q", q, least=0)
        self._dim = self.p + self.q
        if not self._dim:
            raise ValueError("IndefiniteForm needs p + q >= 1, got p=0, q=0")

    def signed_permutation(self, d: int) -> IndexAndSigns:
        """The last q coordinates change sign."""
        return None, [1] * self.p + [-1] * self.q
