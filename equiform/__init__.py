"""equiform: equivariance learned from pairs, for any bilinear form."""

from equiform import functional, groups
from equiform.forms import (
    BilinearForm,
    EuclideanForm,
    HermitianForm,
    IndefiniteForm,
    Joint,
    MinkowskiForm,
    OrthogonalSum,
    SplitForm,
    SymplecticForm,
)
from equiform.groups import (
    DependencyMismatch,
    IsometryGroup,
    Moments,
    Orthochronous,
    Recovery,
    SpecialOrthogonal,
)
from equiform.losses import (
    CARELoss,
    CARETerms,
    InfoNCELoss,
    InvarianceLoss,
    PairwiseEquivarianceLoss,
    UniformityLoss,
)
from equiform.manifolds import Hyperboloid, Sphere

__version__ = "0.1.0"

__all__ = [
    "BilinearForm",
    "CARELoss",
    "CARETerms",
    "DependencyMismatch",
    "EuclideanForm",
    "HermitianForm",
    "Hyperboloid",
    "IndefiniteForm",
    "InfoNCELoss",
    "InvarianceLoss",
    "IsometryGroup",
    "Joint",
    "MinkowskiForm",
    "Moments",
    "Orthochronous",
    "OrthogonalSum",
    "PairwiseEquivarianceLoss",
    "Recovery",
    "SpecialOrthogonal",
    "Sphere",
    "SplitForm",
    "SymplecticForm",
    "UniformityLoss",
    "functional",
    "groups",
]
