"""Isometry groups of forms: the transformations that embeddings can undergo."""

from equiform.forms import BilinearForm, Joint, isometry_group
from equiform.groups._base import IsometryGroup
from equiform.groups._matrices import MatrixGroup
from equiform.groups.classical import ClassicalGroup
from equiform.groups.compact import CompactGroup, SpecialOrthogonal
from equiform.groups.framed import FramedGroup
from equiform.groups.joint import JointGroup
from equiform.groups.moments import Moments
from equiform.groups.noncompact import NoncompactGroup
from equiform.groups.orthochronous import Orthochronous
from equiform.groups.recovery import DependencyMismatch, Recovery


@isometry_group.register
def _(form: BilinearForm, d: int) -> IsometryGroup:
    if form.frame(d) is not None:
        return FramedGroup(form, d)
    return CompactGroup(form, d) if 0 in form.signature(d) else NoncompactGroup(form, d)


@isometry_group.register
def _(form: Joint, d: int) -> IsometryGroup:
    return JointGroup(form, d)


__all__ = [
    "ClassicalGroup",
    "CompactGroup",
    "DependencyMismatch",
    "FramedGroup",
    "IsometryGroup",
    "JointGroup",
    "MatrixGroup",
    "Moments",
    "NoncompactGroup",
    "Orthochronous",
    "Recovery",
    "SpecialOrthogonal",
]
