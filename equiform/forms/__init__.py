"""Bilinear and sesquilinear forms: the choice from which everything else follows."""

from equiform.forms._base import Form, isometry_group, natural_manifold, sigma
from equiform.forms.bilinear import BilinearForm
from equiform.forms.euclidean import EuclideanForm
from equiform.forms.hermitian import HermitianForm
from equiform.forms.metric import MetricForm
from equiform.forms.minkowski import IndefiniteForm, MinkowskiForm
from equiform.forms.split import SplitForm
from equiform.forms.sums import Joint, OrthogonalSum
from equiform.forms.symplectic import SymplecticForm

__all__ = [
    "BilinearForm",
    "EuclideanForm",
    "Form",
    "HermitianForm",
    "IndefiniteForm",
    "Joint",
    "MetricForm",
    "MinkowskiForm",
    "OrthogonalSum",
    "SplitForm",
    "SymplecticForm",
    "isometry_group",
    "natural_manifold",
    "sigma",
]
