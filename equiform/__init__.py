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
    MomentumContrastLoss,
    OrientationLoss,
    PairwiseEquivarianceLoss,
    UniformityLoss,
)
from equiform.manifolds import Hyperboloid, Sphere
from equiform.report import report
from equiform.steering import LearnedIsometry, StreamingIsometry, steer

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
    "LearnedIsometry",
    "MinkowskiForm",
    "Moments",
    "MomentumContrastLoss",
    "OrientationLoss",
    "Orthochronous",
    "OrthogonalSum",
    "PairwiseEquivarianceLoss",
    "Recovery",
    "SpecialOrthogonal",
    "Sphere",
    "SplitForm",
    "StreamingIsometry",
    "SymplecticForm",
    "UniformityLoss",
    "functional",
    "groups",
    "report",
    "steer",
]
