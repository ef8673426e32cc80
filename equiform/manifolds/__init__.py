"""Geoopt manifolds that carry their form, with numerics that hold in float32."""

from equiform.manifolds._base import EmbeddingManifold
from equiform.manifolds.hyperboloid import Hyperboloid
from equiform.manifolds.sphere import Sphere

__all__ = ["EmbeddingManifold", "Hyperboloid", "Sphere"]
