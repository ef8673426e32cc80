"""The abstract embedding manifold: what a loss may ask of a sphere or of a hyperboloid."""

from __future__ import annotations

import abc

import geoopt
from torch import Tensor

from equiform.forms import BilinearForm


class EmbeddingManifold(geoopt.manifolds.Manifold):
    r"""A geoopt manifold on which embeddings live, cut out of a space with a bilinear form.

    The methods of geoopt keep their signatures, so that ``geoopt.ManifoldParameter`` and the
    Riemannian optimisers work. Three methods are added, with these laws, which
    ``tests/manifolds`` checks for every manifold:

    * ``check_point_on_manifold(project(z))`` for every z, and the gradient is finite;
    * ``pairwise_dist(x, y)[i, j] = dist(x[i], y[j])``;
    * ``similarity(x, y)`` is a decreasing function of ``pairwise_dist(x, y)``;
    * each isometry of :attr:`form` that maps the manifold to itself leaves all distances as
      they are.

    No method writes to its arguments. ``float16`` and ``bfloat16`` arguments of the methods that
    a subclass documents are computed and returned in float32: rounded to half precision, a point
    leaves the manifold.
    """

    #: The bilinear form of the ambient space.
    form: BilinearForm
    #: Whether :meth:`similarity` is the plain inner product of the coordinates.
    inner_product_similarity: bool = False

    @abc.abstractmethod
    def project(self, z: Tensor) -> Tensor:
        """Points of the manifold from an encoder's output ``z``, shape ``(..., d)``."""

    @abc.abstractmethod
    def pairwise_dist(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Geodesic distances between all rows, ``(..., n, d), (..., m, d) -> (..., n, m)``.

        Memory is O(n m). ``y`` is ``x`` where it is left out.
        """

    @abc.abstractmethod
    def similarity(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """The logits of a contrastive loss: ``(..., n, d), (..., m, d) -> (..., n, m)``.

        ``y`` is ``x`` where it is left out.
        """

    def _tensor(self, x: Tensor) -> geoopt.ManifoldTensor:
        """``x``, marked as points of this manifold."""
        return geoopt.ManifoldTensor(x, manifold=self)  # type: ignore[call-arg]
