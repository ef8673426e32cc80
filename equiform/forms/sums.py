"""Forms made from forms: orthogonal sums, and joint families."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral
from typing import Any, TypeVar

import torch
from torch import Tensor

from equiform._precision import full_precision
from equiform.forms._base import Form
from equiform.forms.bilinear import BilinearForm
from equiform.forms.signed_permutation import Columns, IndexAndSigns

T = TypeVar("T")


class OrthogonalSum(BilinearForm):
    r"""One form on blocks: :math:`\langle x, y\rangle = \sum_k \langle x_k, y_k\rangle_k`.

    Only the sum of the products is kept, so its group is that of the block-diagonal J, which is
    larger than the product of the groups of its parts. For the product group use :class:`Joint`.

    Args:
        parts: pairs ``(form, d)``, the blocks in order; all parts share ε and sesquilinearity.
    """

    def __init__(self, parts: Iterable[tuple[BilinearForm, int]]) -> None:
        given = _pairs("OrthogonalSum", parts, Integral, "(form, int) parts")
        self._parts = tuple((form, int(d)) for form, d in given)
        if not self._parts:
            raise ValueError("OrthogonalSum needs at least one (form, d) part, got none")
        kinds = {(form.symmetry, form.sesquilinear) for form, _ in self._parts}
        if len(kinds) > 1:
            raise ValueError(
                "OrthogonalSum needs parts of one kind: all symmetric, all skew or all "
                f"sesquilinear, got {[form for form, _ in self._parts]}; Joint keeps them apart"
            )
        for form, d in self._parts:
            form.check_dim(d)
        self.symmetry, self.sesquilinear = kinds.pop()
        self.eps = max(form.eps for form, _ in self._parts)
        self.dim = self._dim = sum(d for _, d in self._parts)

    def _key(self) -> tuple[object, ...]:
        return (self._parts,)

    def signed_permutation(self, d: int) -> IndexAndSigns:
        """J, block by block."""
        columns = Columns([], [])
        for form, own in self._parts:
            columns = columns.beside(form.columns(own))
        return columns.index, columns.sign

    def frame(self, d: int) -> Tensor | None:
        """C, block by block."""
        return _block_frame([((form,), own) for form, own in self._parts], self.sesquilinear)

    def standard(self) -> BilinearForm:
        """The sum of the standard forms of the parts."""
        if self.frame(self.dim) is None:
            return self
        return OrthogonalSum((form.standard(), own) for form, own in self._parts)


class Joint(Form):
    r"""Several forms at once, each on its slice: the product :math:`(\langle x, y\rangle_k)_k`.

    Equal joint Grams mean that *every* member agrees, so the isometry group is the intersection:
    a product of groups where slices are disjoint, and on one slice for instance
    U(m) = O(2m) ∩ Sp(2m, R) as ``Joint([(EuclideanForm(), slice(0, 2 * m)), (SymplecticForm(),
    slice(0, 2 * m))])``.

    Args:
        members: pairs ``(form, slice)``. Two slices are equal or disjoint, and together they cover
            the embedding from 0 on, so that no coordinate is left unconstrained.
    """

    def __init__(self, members: Iterable[tuple[BilinearForm, slice]]) -> None:
        given = _pairs("Joint", members, slice, "(form, slice) members")
        if not given:
            raise ValueError("Joint needs at least one (form, slice) member, got none")
        self.members = tuple((form, _span(s)) for form, s in given)
        spans = {(s.start, s.stop) for _, s in self.members}
        self._slices = tuple(slice(*span) for span in sorted(spans))
        stop = 0
        for s in self.slices:
            if s.start != stop:
                what = "overlap without being equal" if s.start < stop else "leave a gap"
                raise ValueError(f"Joint: the slices {self.slices} {what} at coordinate {stop}")
            stop = s.stop
        if len({form.sesquilinear for form, _ in self.members}) != 1:
            raise ValueError("Joint needs members that are all bilinear or all sesquilinear")
        for form, s in self.members:
            form.check_dim(s.stop - s.start)
        self.dim = self._dim = stop
        self.sesquilinear = self.members[0][0].sesquilinear

    @property
    def slices(self) -> tuple[slice, ...]:
        """The distinct slices, in order."""
        return self._slices

    def forms_on(self, s: slice) -> tuple[BilinearForm, ...]:
        """The forms that act on one of :attr:`slices`."""
        return tuple(form for form, own in self.members if own == s)

    def parts(self, d: int) -> tuple[tuple[BilinearForm, slice], ...]:
        """The members."""
        return self.members

    def frame(self, d: int) -> Tensor | None:
        """C of each slice, by the first of its forms that is not standard there."""
        slices = [(self.forms_on(s), s.stop - s.start) for s in self.slices]
        return _block_frame(slices, self.sesquilinear)

    @full_precision
    def inner(self, x: Tensor, y: Tensor) -> Tensor:
        """All products of x and y, shapes ``(..., d), (..., d) -> (..., k)`` for k members."""
        self.check_embedding(x)
        self.check_embedding(y)
        return torch.stack([form.inner(x[..., s], y[..., s]) for form, s in self.members], dim=-1)

    def gram(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """All Gram matrices, ``(..., n, d), (..., m, d) -> (..., k, n, m)`` for k members."""
        y = x if y is None else y
        self.check_embedding(x)
        self.check_embedding(y)
        grams = [form.gram(x[..., s], y[..., s]) for form, s in self.members]
        return torch.stack(grams, dim=-3)

    def _key(self) -> tuple[object, ...]:
        return tuple((form, s.start, s.stop) for form, s in self.members)

    def __repr__(self) -> str:
        return f"Joint({list(self.members)!r})"


def _pairs(name: str, given: Any, second: type[T], what: str) -> tuple[tuple[BilinearForm, T], ...]:
    """Pairs of a product and what is its own, or TypeError."""
    pairs: list[tuple[BilinearForm, T]] = []
    for pair in given if isinstance(given, Iterable) else [given]:
        form, own = pair if isinstance(pair, tuple | list) and len(pair) == 2 else (None, None)
        if not isinstance(form, BilinearForm) or not isinstance(own, second) or own is True:
            raise TypeError(f"{name} needs {what}, got {pair!r}")
        pairs.append((form, own))
    return tuple(pairs)


def _span(s: slice) -> slice:
    """``s`` with an explicit start and stop, or an error."""
    start, stop = 0 if s.start is None else s.start, -1 if s.stop is None else s.stop
    if not isinstance(start, Integral) or not isinstance(stop, Integral):
        raise TypeError(f"Joint needs slices of integers, got {s}")
    span = slice(int(start), int(stop))
    if s.step not in (None, 1) or not 0 <= span.start < span.stop:
        raise ValueError(f"Joint needs slices with 0 <= start < stop and step 1, got {s}")
    return span


def _block_frame(
    blocks: list[tuple[tuple[BilinearForm, ...], int]], sesquilinear: bool
) -> Tensor | None:
    """The block-diagonal C of forms with their dimensions, or None where all are standard."""
    dtype = torch.complex128 if sesquilinear else torch.float64
    found = [[c for form in forms for c in [form.frame(d)] if c is not None] for forms, d in blocks]
    if not any(found):
        return None
    sizes = [d for _, d in blocks]
    return torch.block_diag(
        *(
            c[0] if c else torch.eye(d, dtype=dtype, device="cpu")
            for c, d in zip(found, sizes, strict=True)
        )
    )
