"""equiform: equivariance learned from pairs, for any bilinear form.

Subpackages load on first use: ``equiform.metrics`` needs no import of its own.
"""

from typing import TYPE_CHECKING

from equiform import functional, groups
from equiform._extras import lazy_exports
from equiform.audit import report
from equiform.forms import (
    BilinearForm,
    EuclideanForm,
    HermitianForm,
    IndefiniteForm,
    Joint,
    MetricForm,
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
from equiform.steering import LearnedIsometry, StreamingIsometry, steer

if TYPE_CHECKING:
    from equiform import audit as audit
    from equiform import augment as augment
    from equiform import data as data
    from equiform import experimental as experimental
    from equiform import forms as forms
    from equiform import losses as losses
    from equiform import manifolds as manifolds
    from equiform import metrics as metrics
    from equiform import nn as nn
    from equiform import ops as ops
    from equiform import probes as probes
    from equiform import steering as steering
    from equiform import testing as testing
    from equiform import training as training
else:
    __getattr__, __dir__, _ = lazy_exports(__name__)

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
    "MetricForm",
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
