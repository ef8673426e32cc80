"""Symmetric forms of indefinite signature: Minkowski space and R^{p,q}."""

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
        if type(p) is not int or type(q) is not int:
            raise TypeError(f"IndefiniteForm needs integers p and q, got p={p!r}, q={q!r}")
        if p < 0 or q < 0 or p + q < 1:
            raise ValueError(f"IndefiniteForm needs p, q >= 0 and p + q >= 1, got p={p}, q={q}")
        self.p, self.q = p, q
        self._dim = p + q

    def signed_permutation(self, d: int) -> IndexAndSigns:
        """The last q coordinates change sign."""
        return None, [1] * self.p + [-1] * self.q
