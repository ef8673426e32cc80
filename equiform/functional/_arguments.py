"""What is asked of the forms, groups and manifolds that losses and measures are given."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor, nn

from equiform.forms import EuclideanForm, Form, HermitianForm
from equiform.forms._base import check_form
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


def check_group(group: object) -> None:
    """Raise TypeError unless it is an isometry group, and say how a form or manifold gives one."""
    if isinstance(group, IsometryGroup):
        return
    given = f"{group.__name__}()" if isinstance(group, type) else repr(group)
    source = given if hasattr(group, "isometry_group") else "form"
    remedy = f"use {source}.isometry_group(d)"
    if isinstance(group, type) and issubclass(group, IsometryGroup):
        remedy = f"use {group.__name__}(d)"
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
    if isinstance(manifold, Tensor | Form | IsometryGroup):
        # All have something that manifolds have: a tensor its dist, a group its form.
        raise TypeError(
            f"manifold must be a manifold such as Sphere(), got {manifold!r} "
            f"({type(manifold).__name__}); forms and groups go to form= and group= where there are"
        )
    # geoopt's own measure distances too, of points that ours do not project to.
    needed = ("form", *needed) if hasattr(manifold, "projx") else needed
    missing = [name for name in dict.fromkeys(needed) if not hasattr(manifold, name)]
    if missing:
        ours = "Sphere() or equiform.Hyperboloid(), drop-in for geoopt's Sphere and Lorentz"
        ours = ours if "form" in missing else "Hyperboloid()"
        raise TypeError(
            f"manifold={manifold!r} of {type(manifold).__module__} has no "
            f"{' and no '.join(missing)}; use equiform.{ours}"
        )


def check_group_of(
    group: IsometryGroup | None, form: Form | None, manifold: object, *, d: int | None = None
) -> None:
    """Raise unless a group is one, of the form, on d dimensions, and maps a manifold to itself."""
    if group is None:
        return
    check_group(group)
    if d not in (None, group.dim):
        raise ValueError(f"group is {group!r}, but the embeddings have d={d}")
    if form is not None and form != group.form:
        raise ValueError(f"group={group!r} is not of form={form!r}; give one of the two")
    if getattr(manifold, "form", group.form) != group.form:
        raise ValueError(
            f"group={group!r} does not map {manifold!r} to itself; leave it out, or use "
            f"manifold.isometry_group({group.dim})"
        )


def check_callable(name: str, value: object, what: str) -> None:
    """Raise TypeError unless it is a function or a module with a forward, which no manifold has."""
    forward = getattr(value, "forward", None) if isinstance(value, nn.Module) else None
    # torch and geoopt mark it so.
    bare = forward is NotImplemented or getattr(forward, "__func__", None) is nn.Module.forward
    bare = bare and type(value).__call__ is nn.Module.__call__
    if bare or isinstance(value, type) or not callable(value):
        instance = f"; use {value.__name__}()" if isinstance(value, type) else ""
        raise TypeError(f"{name} must be {what}, got {value!r}{instance}")


def form_of(form: Form | None, manifold: CarriesForm | None) -> Form:
    """The form that is meant: as given, that of the manifold, or the Euclidean one."""
    check_manifold(manifold, "form")
    if form is None:
        return EuclideanForm() if manifold is None else manifold.form
    check_form(form)
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
