"""Forms made from forms: orthogonal sums, and joint families."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from equiform.forms._base import BilinearForm, isometry_group


class OrthogonalSum(BilinearForm):
    r"""One form on blocks: :math:`\langle x, y\rangle = \sum_k \langle x_k, y_k\rangle_k`.

    Only the sum of the products is kept, so its group is that of the block-diagonal J, which is
    larger than the product of the groups of its parts. For the product group use :class:`Joint`.

    Args:
        parts: pairs ``(form, d)``, the blocks in order; all parts share ε and sesquilinearity.
    """

    def __init__(self, parts: Iterable[tuple[BilinearForm, int]]) -> None:
        self.parts = tuple((form, int(d)) for form, d in parts)
        if not self.parts:
            raise ValueError("OrthogonalSum needs at least one (form, d) part, got none")
        kinds = {(form.symmetry, form.sesquilinear) for form, _ in self.parts}
        if len(kinds) > 1:
            raise ValueError(
                "OrthogonalSum needs parts of one kind: all symmetric, all skew or all "
                f"sesquilinear, got {[form for form, _ in self.parts]}; Joint keeps them apart"
            )
        for form, d in self.parts:
            form.check_dim(d)
        self.symmetry, self.sesquilinear = kinds.pop()
        self.dim = sum(d for _, d in self.parts)

    def _key(self) -> tuple[object, ...]:
        return (self.parts,)

    def check_dim(self, d: int) -> None:
        """Raise ValueError unless d is the total dimension of the parts."""
        if d != self.dim:
            raise ValueError(f"{self!r} lives on {self.dim} dimensions, got d={d}")

    def apply(self, x: Tensor) -> Tensor:
        """Rows x ↦ x J, block by block."""
        self.check_dim(x.shape[-1])
        blocks = x.split([d for _, d in self.parts], dim=-1)
        return torch.cat(
            [form.apply(block) for (form, _), block in zip(self.parts, blocks, strict=True)], dim=-1
        )


class Joint:
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
        self.members = tuple((form, _span(s)) for form, s in members)
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
        self.dim = stop
        self.sesquilinear = self.members[0][0].sesquilinear

    @property
    def slices(self) -> tuple[slice, ...]:
        """The distinct slices, in order."""
        spans = {(s.start, s.stop) for _, s in self.members}
        return tuple(slice(*span) for span in sorted(spans))

    def forms_on(self, s: slice) -> tuple[BilinearForm, ...]:
        """The forms that act on one of :attr:`slices`."""
        return tuple(form for form, own in self.members if own == s)

    def check_dim(self, d: int) -> None:
        """Raise ValueError unless d is the dimension that the slices cover."""
        if d != self.dim:
            raise ValueError(f"{self!r} lives on {self.dim} dimensions, got d={d}")

    def check_embedding(self, x: Tensor) -> None:
        """Raise TypeError or ValueError where the forms cannot take the embedding ``x``."""
        if x.ndim == 0:
            raise ValueError(f"{self!r} needs embeddings of shape (..., d), got a scalar")
        self.check_dim(x.shape[-1])
        for form, s in self.members:
            form.check_embedding(x[..., s])

    def inner(self, x: Tensor, y: Tensor) -> Tensor:
        """All products of x and y, shapes ``(..., d), (..., d) -> (..., k)`` for k members."""
        self.check_embedding(x)
        return torch.stack([form.inner(x[..., s], y[..., s]) for form, s in self.members], dim=-1)

    def gram(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """All Gram matrices, ``(..., n, d), (..., m, d) -> (..., k, n, m)`` for k members."""
        self.check_embedding(x)
        y = x if y is None else y
        grams = [form.gram(x[..., s], y[..., s]) for form, s in self.members]
        return torch.stack(grams, dim=-3)

    def isometry_group(self, d: int):
        """The group of all T that preserve every member."""
        return isometry_group(self, d)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Joint) and self.members == other.members

    def __hash__(self) -> int:
        return hash(tuple((form, s.start, s.stop) for form, s in self.members))

    def __repr__(self) -> str:
        return f"Joint({list(self.members)!r})"


def _span(s: slice) -> slice:
    """``s`` with an explicit start and stop, or ValueError."""
    start = 0 if s.start is None else s.start
    if s.step not in (None, 1) or s.stop is None or not 0 <= start < s.stop:
        raise ValueError(f"Joint needs slices with 0 <= start < stop and step 1, got {s}")
    return slice(start, s.stop)
