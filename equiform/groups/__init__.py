"""Isometry groups of forms: the transformations that embeddings can undergo."""

from equiform.forms import BilinearForm, Joint, isometry_group
from equiform.groups._base import DependencyMismatch, IsometryGroup, Recovery
from equiform.groups.classical import ClassicalGroup
from equiform.groups.compact import CompactGroup, SpecialOrthogonal
from equiform.groups.joint import JointGroup
from equiform.groups.moments import Moments
from equiform.groups.noncompact import NoncompactGroup
from equiform.groups.orthochronous import Orthochronous


@isometry_group.register
def _(form: BilinearForm, d: int) -> IsometryGroup:
    # A definite form has J = ±I: its trace is ±d, and only then.
    definite = form.symmetry == 1 and form.matrix(d).trace().abs() == d
    return CompactGroup(form, d) if definite else NoncompactGroup(form, d)


@isometry_group.register
def _(form: Joint, d: int) -> IsometryGroup:
    return JointGroup(form, d)


__all__ = [
    "ClassicalGroup",
    "CompactGroup",
    "DependencyMismatch",
    "IsometryGroup",
    "JointGroup",
    "Moments",
    "NoncompactGroup",
    "Orthochronous",
    "Recovery",
    "SpecialOrthogonal",
]
