"""Loss modules: thin classes over :mod:`equiform.functional`."""

from equiform.losses.care import CARELoss, CARETerms
from equiform.losses.contrastive import InfoNCELoss, InvarianceLoss, UniformityLoss
from equiform.losses.equivariance import CarriesForm, PairwiseEquivarianceLoss

__all__ = [
    "CARELoss",
    "CARETerms",
    "CarriesForm",
    "InfoNCELoss",
    "InvarianceLoss",
    "PairwiseEquivarianceLoss",
    "UniformityLoss",
]
