"""What is asked of the options of losses and measures, where they are given."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Protocol

from torch import Tensor

from equiform.forms import EuclideanForm, Form, HermitianForm
from equiform.groups import IsometryGroup


class CarriesForm(Protocol):
    """A geometry with a form; every equiform manifold is one."""

    @property
    def form(self) -> Form:
        """The form of the ambient space."""
        ...


class SupportsSimilarity(Protocol):
    """A geometry that scores pairs of points; every equiform manifold is one.

    One whose similarity is the inner product may say so by an attribute
    ``inner_product_similarity = True``; its pairs are then scored by the streaming kernels.
    """

    def similarity(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Logits of all pairs, ``(..., n, d), (..., m, d) -> (..., n, m)``; larger is closer."""
        ...


class SupportsDistance(Protocol):
    """A geometry that measures how far apart points are; every equiform manifold is one."""

    def dist(self, x: Tensor, y: Tensor) -> Tensor:
        """Geodesic distance, ``(..., d), (..., d) -> (...)``."""
        ...


class Geometry(CarriesForm, SupportsSimilarity, SupportsDistance, Protocol):
    """All that losses ask of a manifold."""


def check_choice(name: str, value: object, allowed: Sequence[object]) -> None:
    """Raise ValueError unless an option is one of those there are."""
    if value not in allowed:
        raise ValueError(f"{name} must be one of {list(allowed)}, got {value!r}")


def check_count(name: str, value: object) -> None:
    """Raise unless an option is a positive integer; True is none."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be an int, got {value!r} ({type(value).__name__})")
    if value < 1:
        raise ValueError(f"{name} must be at least 1, got {name}={value}")


def check_flag(name: str, value: object) -> None:
    """Raise TypeError unless an option is True or False."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False, got {value!r} ({type(value).__name__})")


def check_number(name: str, value: Any, *, positive: bool = False) -> None:
    """Raise unless an option is a finite number, not negative, or positive."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be a number, got {value!r} ({type(value).__name__})")
    if not math.isfinite(value) or value < 0 or (positive and value == 0):
        kind = "be positive and finite" if positive else "be finite and not negative"
        raise ValueError(f"{name} must {kind}, got {value}")


def check_group(group: object) -> None:
    """Raise TypeError unless it is an isometry group, and say how a form or manifold gives one."""
    if isinstance(group, IsometryGroup):
        return
    given = f"{group.__name__}()" if isinstance(group, type) else repr(group)
    source = given if hasattr(group, "isometry_group") else "form"
    remedy = f"use {source}.isometry_group(d)"
    if hasattr(group, "projx"):
        remedy += f", or manifold={given}"
    raise TypeError(f"group must be an isometry group, got {group!r}; {remedy}")


def check_manifold(manifold: object, *needed: str) -> None:
    """Raise TypeError unless a manifold, or None, has what is needed, such as ``"similarity"``."""
    if manifold is None:
        return
    if isinstance(manifold, type):
        raise TypeError(
            f"manifold must be an instance, got the class {manifold.__name__}; "
            f"use {manifold.__name__}()"
        )
    missing = [name for name in needed if not hasattr(manifold, name)]
    if missing:
        raise TypeError(
            f"manifold={manifold!r} of {type(manifold).__module__} has no "
            f"{' and no '.join(missing)}; use equiform.Sphere() or equiform.Hyperboloid(), which "
            "are drop-in for geoopt's Sphere and Lorentz"
        )


def form_of(form: Form | None, manifold: CarriesForm | None) -> Form:
    """The form that is meant: as given, that of the manifold, or the Euclidean one."""
    check_manifold(manifold, "form")
    if form is None:
        return EuclideanForm() if manifold is None else manifold.form
    if not isinstance(form, Form):
        remedy = f"; use manifold={form!r}" if hasattr(form, "projx") else ""
        raise TypeError(
            f"form must be a form such as MinkowskiForm(), got {form!r} "
            f"({type(form).__name__}){remedy}"
        )
    if manifold is not None and manifold.form != form:
        raise ValueError(
            f"form={form} is not the form of the manifold, {manifold.form}; give one of the two"
        )
    return form


def form_for(z: Tensor, form: Form | None, manifold: CarriesForm | None) -> Form:
    """:func:`form_of` for embeddings that it must take; Hermitian for complex ones."""
    meant = form_of(form, manifold)
    if form is None and manifold is None and z.is_complex():
        meant = HermitianForm()
    meant.check_embedding(z)
    return meant
