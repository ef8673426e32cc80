"""J as the routes see it: a gather and a sign, so that one kernel serves every form."""

from __future__ import annotations

import functools
from typing import NamedTuple

import torch
from torch import Tensor

from equiform.forms import BilinearForm


class SignedPermutation(NamedTuple):
    r"""A matrix J with one entry ±1 in each row and column, and :math:`J^t = εJ`.

    Attributes:
        index: int64, shape ``(d,)``; column i of x J is column ``index[i]`` of x, up to sign. None
            for a diagonal J.
        sign: shape ``(d,)``, ±1. None for signs that are all +1.
        symmetry: ε.
    """

    index: Tensor | None
    sign: Tensor | None
    symmetry: int

    def apply(self, x: Tensor) -> Tensor:
        """Rows x ↦ x J, ``(..., d) -> (..., d)``; x itself where J is the identity."""
        if self.index is not None:
            x = x.index_select(-1, self.index)
        return x if self.sign is None else x * self.sign

    @staticmethod
    def of(j: Tensor, symmetry: int) -> SignedPermutation:
        """From the matrix J itself, ``(d, d)``."""
        return SignedPermutation(j.abs().argmax(dim=0), j.sum(dim=0), symmetry)

    def simplified(self) -> SignedPermutation:
        """The same with None for what does nothing; waits for the device."""
        index, sign = self.index, self.sign
        if index is not None and (index.diff() == 1).all():
            index = None
        if sign is not None and (sign == 1).all():
            sign = None
        return SignedPermutation(index, sign, self.symmetry)


def lower(
    form: BilinearForm, d: int, dtype: torch.dtype, device: torch.device
) -> tuple[SignedPermutation, ...]:
    r"""The real forms that make up ``form``; cached, since reading J back from a GPU would wait.

    A bilinear form is its own. A sesquilinear one on x + iy is two real forms on (x, y): the real
    part of the product is :math:`x J x'^t + y J y'^t`, of symmetry ε, and the imaginary part
    :math:`y J x'^t - x J y'^t`, of symmetry -ε. So U(n) is the Euclidean and symplectic forms kept
    jointly, and squared moduli are sums of two squares.

    Args:
        form: the form.
        d: dimension of its embeddings.
        dtype: real dtype of the signs.
        device: where the embeddings are.
    """
    # A graph that is being traced has no values to look at, and needs no cache.
    return (_lower if torch.compiler.is_compiling() else _lower_once)(form, d, dtype, device)


def _lower(
    form: BilinearForm, d: int, dtype: torch.dtype, device: torch.device
) -> tuple[SignedPermutation, ...]:
    if not form.sesquilinear:
        j = form.matrix(d, dtype=dtype, device=device)
        return (SignedPermutation.of(j, form.symmetry),)
    j = form.matrix(d, device=device).real.to(dtype)
    zero = torch.zeros_like(j)
    real = torch.cat([torch.cat([j, zero]), torch.cat([zero, j])], dim=1)
    imaginary = torch.cat([torch.cat([zero, j]), torch.cat([-j, zero])], dim=1)
    return (
        SignedPermutation.of(real, form.symmetry),
        SignedPermutation.of(imaginary, -form.symmetry),
    )


@functools.lru_cache(maxsize=64)
def _lower_once(
    form: BilinearForm, d: int, dtype: torch.dtype, device: torch.device
) -> tuple[SignedPermutation, ...]:
    # Cached tensors outlive an inference_mode that a first call may stand in.
    with torch.inference_mode(False), torch.no_grad():
        return tuple(j.simplified() for j in _lower(form, d, dtype, device))
