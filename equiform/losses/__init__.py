"""Loss modules: thin classes over :mod:`equiform.functional`."""

from equiform.losses.care import CARELoss, CARETerms
from equiform.losses.contrastive import (
    InfoNCELoss,
    InvarianceLoss,
    MomentumContrastLoss,
    UniformityLoss,
)
from equiform.losses.equivariance import PairwiseEquivarianceLoss
from equiform.losses.orientation import OrientationLoss

__all__ = [
    "CARELoss",
    "CARETerms",
    "InfoNCELoss",
    "InvarianceLoss",
    "MomentumContrastLoss",
    "OrientationLoss",
    "PairwiseEquivarianceLoss",
    "UniformityLoss",
]
