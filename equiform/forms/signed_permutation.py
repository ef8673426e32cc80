"""Signed permutations: the matrices J that every form has in its standard basis."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

#: J as a form gives it: which column of x each column of x J is, and its sign; None for no change.
IndexAndSigns = tuple[Sequence[int] | Tensor | None, Sequence[int] | Tensor | None]


class Columns(NamedTuple):
    """J as integers: column i of x J is ``sign[i]`` times column ``index[i]`` of x."""

    index: list[int]  # pyright: ignore[reportIncompatibleMethodOverride]
    sign: list[int]

    @staticmethod
    def of(given: IndexAndSigns, d: int) -> Columns:
        """What a form gave on d dimensions, with what does nothing written out.

        TypeError or ValueError where it is no pair of integers.
        """
        index, sign = (x.tolist() if isinstance(x, Tensor) else x for x in given)
        return Columns(
            list(range(d)) if index is None else list(map(operator.index, index)),
            [1] * d if sign is None else list(map(operator.index, sign)),
        )

    def obeys(self, d: int, symmetry: int) -> bool:
        """Whether J is a signed permutation of d columns with J² = εI."""
        index, sign = self
        if sorted(index) != list(range(d)) or len(sign) != d or not set(sign) <= {1, -1}:
            return False
        return all(index[j] == i and sign[i] * sign[j] == symmetry for i, j in enumerate(index))

    def beside(self, other: Columns) -> Columns:
        """The block-diagonal matrix of two."""
        d = len(self.index)
        return Columns(self.index + [d + i for i in other.index], self.sign + other.sign)

    def real_parts(self) -> tuple[Columns, Columns]:
        r"""A sesquilinear form on x + iy as two real forms on (x, y), which keep it jointly.

        The real part of the product is :math:`x J x'^t + y J y'^t`, of symmetry ε, and the
        imaginary part :math:`y J x'^t - x J y'^t`, of symmetry -ε. So U(n) is the Euclidean and
        symplectic forms kept jointly, and squared moduli are sums of two squares.
        """
        index, sign = self
        beyond = [len(index) + i for i in index]
        opposite = [-s for s in sign]
        return Columns(index + beyond, sign + sign), Columns(beyond + index, opposite + sign)

    def eigenvectors(self, symmetry: int) -> dict[int, Tensor]:
        r"""Orthonormal columns that span the eigenspaces of J for ±1, or of iJ where J is skew.

        Coordinates that J fixes up to sign are eigenvectors themselves; of a pair that it swaps,
        :math:`J(e_i \pm s e_j) = \pm(e_i \pm s e_j)`, and :math:`iJ(e_i \pm i s e_j)` alike.
        """
        d = len(self.index)
        unit = 1 if symmetry == 1 else 1j
        dtype = torch.float64 if symmetry == 1 else torch.complex128
        eye = torch.eye(d, dtype=dtype, device="cpu")
        spaces: dict[int, list[Tensor]] = {1: [], -1: []}
        for i, (j, s) in enumerate(zip(self.index, self.sign, strict=True)):
            if i == j:
                spaces[s].append(eye[i])
            elif i < j:
                for value, space in spaces.items():
                    space.append((eye[i] + value * unit * s * eye[j]) / 2**0.5)
        return {value: torch.stack(space, 1) for value, space in spaces.items() if space}


class SignedPermutation(NamedTuple):
    r"""A matrix J with one entry ±1 in each row and column, :math:`J^t = εJ`, on a device.

    Attributes:
        index: int64, shape ``(d,)``; column i of x J is column ``index[i]`` of x, up to sign. None
            for a diagonal J.
        sign: shape ``(d,)``, ±1. None for signs that are all +1.
        symmetry: ε.
    """

    index: Tensor | None  # pyright: ignore[reportIncompatibleMethodOverride]
    sign: Tensor | None
    symmetry: int

    def apply(self, x: Tensor) -> Tensor:
        """Rows x ↦ x J, ``(..., d) -> (..., d)``; x itself where J is the identity."""
        if self.index is not None:
            x = x.index_select(-1, self.index)
        return x if self.sign is None else x * self.sign

    @staticmethod
    def of(
        columns: Columns, symmetry: int, dtype: torch.dtype, device: torch.device | str | None
    ) -> SignedPermutation:
        """From integers, with None for what does nothing; signs in a real dtype."""
        index, sign = columns
        ordered = index == list(range(len(index)))
        return SignedPermutation(
            None if ordered else torch.tensor(index, device=device),
            None if -1 not in sign else torch.tensor(sign, dtype=dtype, device=device),
            symmetry,
        )
