"""Hypothesis strategies for point sets and group elements, and checks of equivariance.

Needs the ``test`` extra. The strategies draw their data through hypothesis, so that failures
shrink; group elements come from a drawn seed.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from equiform._extras import require
from equiform._options import check_count, check_number
from equiform._points import at_least, check_points
from equiform.forms import BilinearForm, Form
from equiform.forms._base import check_form
from equiform.groups import IsometryGroup

require("hypothesis", extra="test")
from hypothesis import strategies as st  # noqa: E402
from hypothesis.extra import numpy as hnp  # noqa: E402

#: Bounded, exactly representable in float32, and free of subnormals.
_entries = st.floats(-4, 4, width=32, allow_nan=False, allow_subnormal=False)


def matrices(n: int, d: int, *, sesquilinear: bool = False) -> st.SearchStrategy[Tensor]:
    """Matrices of shape ``(n, d)`` in float64, or complex128 where ``sesquilinear``."""
    shape = (check_count("n", n, least=0), check_count("d", d), 2 if sesquilinear else 1)
    # Without a fill every entry is drawn, instead of most being copies of one value.
    drawn = hnp.arrays(np.float32, shape, elements=_entries, fill=st.nothing())
    tensors = drawn.map(lambda array: torch.from_numpy(array).double())
    return tensors.map(torch.view_as_complex if sesquilinear else lambda x: x[..., 0])


def isotropic_frame(form: BilinearForm, d: int) -> Tensor:
    """Null, mutually orthogonal rows, as many as the form allows: ``(Witt index, d)``."""
    if not isinstance(form, BilinearForm):
        raise TypeError(f"form must be a single form such as MinkowskiForm(), got {form!r}")
    spaces, k = form.eigenvectors(d), min(form.signature(d))
    dtype = torch.complex128 if form.sesquilinear else torch.float64
    if not k:
        return torch.zeros(0, d, dtype=dtype)
    # An eigenvector x + iy of iJ has real and imaginary part conjugate to each other; the real
    # parts of the positive half are mutually orthogonal for J.
    null = spaces[1][:, :k] + spaces[-1][:, :k] if form.symmetry == 1 else spaces[1].real
    frame, rows = form.frame(d), null.mT.to(dtype)
    return rows if frame is None else torch.linalg.solve(frame, rows, left=False)


@st.composite
def group_elements(
    draw: st.DrawFn, group: IsometryGroup, rapidities: tuple[float, ...] = (0.0, 0.5, 2.0, 4.0)
) -> Tensor:
    """Elements of ``group`` in double precision, from every component and several rapidities."""
    if not isinstance(group, IsometryGroup):
        raise TypeError(
            f"group must be an isometry group, got {group!r}; use form.isometry_group(d)"
        )
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32 - 1)))
    dtype = torch.complex128 if group.form.sesquilinear else torch.float64
    rapidity = draw(st.sampled_from(rapidities))
    return group.sample(rapidity=rapidity, generator=generator, dtype=dtype)


@st.composite
def point_sets(draw: st.DrawFn, form: Form, d: int) -> Tensor:
    """Point sets ``(n, d)``, n in [1, 3d + 1], in double precision, of many kinds.

    Generic, of low rank, with repeated points, zero, and for a single form with a radical: a span
    that holds null directions orthogonal to all of it, up to the Witt index.
    """
    check_form(form)
    n = draw(st.integers(1, 3 * check_count("d", d) + 1))
    kind = draw(st.sampled_from(["generic", "rank", "repeated", "zero", "radical"]))
    if kind == "rank":
        r = draw(st.integers(1, d))
        mixing = draw(matrices(n, r, sesquilinear=form.sesquilinear))
        return mixing @ draw(matrices(r, d, sesquilinear=form.sesquilinear))
    points = draw(matrices(n, d, sesquilinear=form.sesquilinear))
    if kind == "zero":
        return torch.zeros_like(points)
    if kind == "repeated":
        return points[draw(hnp.arrays(np.int64, n, elements=st.integers(0, n - 1)))]
    if kind == "radical" and isinstance(form, BilinearForm):
        null = isotropic_frame(form, d)
        k = draw(st.integers(0, len(null)))
        # Keep what is orthogonal to the first k null vectors, those vectors themselves included.
        dual, _ = torch.linalg.qr(form.apply(null[:k]).mH)
        return points - points @ dual @ dual.mH
    return points


def assert_equivariant(
    function: Callable[[Tensor], Tensor],
    x: Tensor,
    transform: Callable[[Tensor], Tensor],
    matrix: Tensor,
    *,
    rtol: float | None = None,
) -> None:
    r"""Assert :math:`f(a(x)) = T f(x)` up to rounding that grows with :math:`\lVert T\rVert_2`.

    Args:
        function, transform: f, from inputs x to embeddings ``(n, d)``, and a, on inputs.
        matrix: T, acting on columns, shape ``(d, d)``.
        rtol: relative tolerance; unless given, 100 d times the machine epsilon of the embeddings or
            of T, whichever is coarser.

    Raises:
        AssertionError: they differ by more, or embeddings are not finite.
        TypeError, ValueError: the functions give no embeddings of one shape, or T does not fit.
    """
    for name, given in (("function", function), ("transform", transform)):
        if not callable(given):
            raise TypeError(f"{name} must be a function, got {type(given).__name__}")
    before, after = function(x), function(transform(x))
    embeddings = {"function(x)": before, "function(transform(x))": after}
    check_points("(n, d)", real=False, finite=False, empty=False, **embeddings)
    check_points("(..., d, d)", finite=True, matrix=matrix)
    d = before.shape[-1]
    if matrix.shape != (d, d):
        raise ValueError(f"matrix must have shape ({d}, {d}), got {tuple(matrix.shape)}")
    eps = max(torch.finfo(z.dtype).eps for z in (before, after, matrix))
    rtol = 100 * d * eps if rtol is None else check_number("rtol", rtol)
    b, a, t = at_least(torch.float64, before, after, matrix)
    error = torch.linalg.matrix_norm(a - b @ t.mT)
    bound = rtol * torch.linalg.matrix_norm(t, 2) * torch.linalg.matrix_norm(b)
    if not (error <= bound and bound.isfinite()):
        raise AssertionError(f"f(a(x)) and T f(x) differ by {error:.3g}, allowed {bound:.3g}")
