"""Geoopt manifolds that carry their form, with numerics that hold in float32."""

from equiform.forms import EuclideanForm, MinkowskiForm, natural_manifold
from equiform.manifolds._base import EmbeddingManifold
from equiform.manifolds.hyperboloid import Hyperboloid
from equiform.manifolds.sphere import Sphere

natural_manifold.register(EuclideanForm, lambda _: Sphere())
natural_manifold.register(MinkowskiForm, lambda _: Hyperboloid())

__all__ = ["EmbeddingManifold", "Hyperboloid", "Sphere"]
