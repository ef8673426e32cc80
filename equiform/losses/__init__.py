"""Loss modules: thin classes over :mod:`equiform.functional`."""

from equiform.losses.care import CARELoss, CARETerms
from equiform.losses.contrastive import InfoNCELoss, InvarianceLoss, UniformityLoss
from equiform.losses.equivariance import CarriesForm, PairwiseEquivarianceLoss
from equiform.losses.momentum_contrast import MomentumContrastLoss
from equiform.losses.orientation import OrientationLoss

__all__ = [
    "CARELoss",
    "CARETerms",
    "CarriesForm",
    "InfoNCELoss",
    "InvarianceLoss",
    "MomentumContrastLoss",
    "OrientationLoss",
    "PairwiseEquivarianceLoss",
    "UniformityLoss",
]
