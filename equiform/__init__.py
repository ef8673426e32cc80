"""equiform: equivariance learned from pairs, for any bilinear form."""

__version__ = "0.1.0"
