"""What every route of the Gram difference is given, and what it returns."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from equiform.forms.signed_permutation import SignedPermutation

#: Losses ``(c,)``, and the gradients of their sum in a and b, contiguous, shape ``(c, n, d)``, or
#: ``(0,)`` where they are not needed; all in the dtype of the embeddings.
Solution = tuple[Tensor, Tensor, Tensor]


class Problem(NamedTuple):
    r"""Chunks of embeddings, and the pairs :math:`m_{ik} D_{ik}^2` of their Gram difference D.

    Attributes:
        a, b: real embeddings, shape ``(c, n, d)``, any strides; they are only read.
        j: the form, its sign in their dtype.
        mask: m, the pairs to keep, bool, ``(n, n)`` or ``(c, n, n)``; all where None.
        exclude_diagonal: leave out the pairs i = k.
        need_grad: compute the gradients.
    """

    a: Tensor
    b: Tensor
    j: SignedPermutation
    mask: Tensor | None = None
    exclude_diagonal: bool = False
    need_grad: bool = True
