"""Bilinear and sesquilinear forms: the choice from which everything else follows."""

from equiform.forms._base import BilinearForm, isometry_group, sigma
from equiform.forms.euclidean import EuclideanForm
from equiform.forms.hermitian import HermitianForm
from equiform.forms.minkowski import IndefiniteForm, MinkowskiForm
from equiform.forms.split import SplitForm
from equiform.forms.sums import Joint, OrthogonalSum
from equiform.forms.symplectic import SymplecticForm

#: What losses and groups take, one product or several kept at once.
Form = BilinearForm | Joint

__all__ = [
    "BilinearForm",
    "EuclideanForm",
    "Form",
    "HermitianForm",
    "IndefiniteForm",
    "Joint",
    "MinkowskiForm",
    "OrthogonalSum",
    "SplitForm",
    "SymplecticForm",
    "isometry_group",
    "sigma",
]
