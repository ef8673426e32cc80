"""Names of groups and of the places in them where a recovered T lies."""

from __future__ import annotations

import torch
from torch import Tensor

from equiform.groups import IsometryGroup, Orthochronous, SpecialOrthogonal


def group_name(group: IsometryGroup) -> str:
    """The usual name of an isometry group, such as O(16), O(1, 3), Sp(4) or U(8)."""
    d, form = group.dim, group.form
    if isinstance(group, SpecialOrthogonal):
        return f"SO({d})"
    (product, _), *others = form.parts(d)
    if others:
        return repr(group)
    if product.symmetry == -1 and not form.sesquilinear:
        return f"Sp({d})"
    positive, negative = product.signature(d)
    letter = "U" if form.sesquilinear else "O⁺" if isinstance(group, Orthochronous) else "O"
    return f"{letter}({negative}, {positive})" if positive and negative else f"{letter}({d})"


def component_name(group: IsometryGroup, matrix: Tensor) -> str:
    """The group, and the signs of the connected component that holds T."""
    name = group_name(group)
    signs = ["+" if sign > 0 else "−" for sign in group.component(matrix).tolist()]
    if not signs:
        return name
    if group.is_compact and len(signs) == 1:
        return f"{name}, det {signs[0]}1"
    return f"{name}, signs ({', '.join(signs)})"


def angles_of(matrix: Tensor) -> tuple[float, ...]:
    """Angles of the eigenvalues of an orthogonal or unitary T, in degrees, ascending."""
    angles = torch.rad2deg(torch.linalg.eigvals(matrix).angle())
    # -180° and 180° are one angle, between which rounding would choose.
    return tuple(torch.where(angles <= -180 + 1e-6, 180, angles).sort().values.tolist())
