"""Second moments of paired points: all that a least-squares fit needs to know of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from equiform._points import at_least, check_points, check_weights, squared_modulus
from equiform.forms import sigma


@dataclass(frozen=True)
class Moments:
    r"""Moments of rows B (source) and A (target), weighted by :math:`W = \mathrm{diag}(w)`.

    Sums over points: d×d however many there are, and additive over batches, workers and time. How
    well any T fits the points is a function of them,

    .. math:: \lVert A - B T^t\rVert_W^2
              = \mathrm{tr}\, Q - 2\, \mathrm{Re\, tr}(\bar T N) + \mathrm{tr}(\bar T P T^t).

    Attributes:
        source: :math:`P = B^σ W B`, shape ``(..., d, d)``.
        cross: :math:`N = B^σ W A`, shape ``(..., d, d)``.
        target: :math:`Q = A^σ W A`, shape ``(..., d, d)``.
        weight: sum of the weights, shape ``(...)``; the number of points where there are none.
        eps: machine epsilon of the dtype that the points had.
    """

    source: Tensor
    cross: Tensor
    target: Tensor
    weight: Tensor
    eps: float = torch.finfo(torch.float64).eps

    @classmethod
    def of(cls, source: Tensor, target: Tensor, weights: Tensor | None = None) -> Moments:
        """Moments of points, in float64 or complex128; those of norms above 1e150 overflow.

        Args:
            source, target: rows B and A, shape ``(..., n, d)``.
            weights: w, nonnegative, shape ``(..., n)``; 1 unless given.
        """
        check_points(source=source, target=target, empty=True)
        b, a = at_least(torch.float64, source, target)
        if weights is None:
            weights = b.real.new_ones(b.shape[:-1])
        else:
            check_weights(weights, b)
        w = weights.to(b.real.dtype)[..., None]
        # What no error could be raised on.
        w = torch.where(w < 0, torch.nan, w)
        wb, wa = sigma(w * b), sigma(w * a)
        eps = max(torch.finfo(x.dtype).eps for x in (source, target))
        return cls(wb @ b, wb @ a, wa @ a, w.sum((-2, -1)), eps)

    @classmethod
    def zeros(
        cls,
        *batch: int,
        d: int,
        dtype: torch.dtype = torch.float64,
        device: torch.device | str | None = None,
        eps: float = torch.finfo(torch.float64).eps,
    ) -> Moments:
        """Moments of no points, to add to; shape ``(*batch, d, d)``."""
        m = torch.zeros(*batch, d, d, dtype=dtype, device=device)
        return cls(m, m, m, m.real.new_zeros(batch), eps)

    @property
    def dim(self) -> int:
        """d, the dimension of the points."""
        return self.source.shape[-1]

    @property
    def energy(self) -> Tensor:
        r""":math:`\lVert A\rVert_W^2`, shape ``(...)``."""
        return trace(self.target)

    def __add__(self, other: Moments) -> Moments:
        """Moments of both sets of points together."""
        parts = (x + y for x, y in zip(self.parts, other.parts, strict=True))
        return Moments(*parts, eps=max(self.eps, other.eps))

    def __mul__(self, factor: float) -> Moments:
        """Moments with every weight multiplied by a nonnegative factor, such as a decay."""
        return self.map(lambda x: x * factor)

    @property
    def parts(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The four tensors."""
        return self.source, self.cross, self.target, self.weight

    def map(self, function: Callable[[Tensor], Tensor]) -> Moments:
        """Apply a function to each of the four tensors: a move to a device, a sum over ranks."""
        return Moments(*map(function, self.parts), eps=self.eps)

    def in_frame(self, frame: Tensor) -> Moments:
        r"""Moments of the coordinates :math:`x \bar V` of all points, V of shape ``(d, k)``."""
        v = frame.conj()
        p, n, q = (sigma(v) @ m.to(v.dtype) @ v for m in (self.source, self.cross, self.target))
        return Moments(p, n, q, self.weight, self.eps)

    def anchored(self, tau: Tensor) -> Moments:
        r"""With :math:`τI` added to all three, as by orthogonal points that T does not move."""
        eye = torch.eye(self.dim, dtype=self.source.dtype, device=self.source.device)
        pull = tau[..., None, None] * eye
        source, cross, target = (m + pull for m in (self.source, self.cross, self.target))
        return Moments(source, cross, target, self.weight, self.eps)

    def misfit(self, g: Tensor) -> Tensor:
        r""":math:`\lVert A - B g\rVert_W^2 - \lVert A\rVert_W^2`, ``(..., d, d) -> (...)``.

        Args:
            g: acts on rows: :math:`T^t` of a T that acts on columns.
        """
        return (g.conj() * (self.source @ g - 2 * self.cross)).real.sum((-2, -1))

    def relative_error(self, matrix: Tensor) -> Tensor:
        r""":math:`\lVert A - B T^t\rVert_W / \lVert A\rVert_W` for T, ``(..., d, d) -> (...)``.

        A difference of larger numbers, and so rounding below about 1e-8. Not divided where A = 0.
        """
        energy = self.energy
        squared = (energy + self.misfit(matrix.to(self.source.dtype).mT)).clamp_min(0)
        return root(squared / energy.where(energy != 0, 1))


class Rounding(NamedTuple):
    """Second moments, of shape ``(...)``, up to which a direction of points is mere rounding.

    Moments are squares: in float64 they show singular values above 1e-8 of the largest.
    """

    source: Tensor
    target: Tensor

    @classmethod
    def of(cls, moments: Moments, condition: float = 1.0) -> Rounding:
        """That of points in coordinates whose basis has a condition number."""
        norm, rtol = torch.linalg.matrix_norm, _rtol(moments, condition)
        return cls(*(rtol * norm(m.detach()) for m in (moments.source, moments.target)))

    @classmethod
    def in_frame(cls, v: Tensor, condition: float, moments: Moments, own: Moments) -> Rounding:
        """Of coordinates V x, of moments ``own``: at least that of x, however small V x is."""
        spread, rtol = squared_modulus(v), _rtol(moments) / condition**2
        given = (m.detach().diagonal(dim1=-2, dim2=-1) for m in (moments.source, moments.target))
        least = [rtol * (spread @ x.real[..., None]).amax((-2, -1)) for x in given]
        return cls(*map(torch.maximum, least, cls.of(own, condition)))

    @property
    def cross(self) -> Tensor:
        """Of singular values of the cross-moment."""
        return (self.source * self.target).sqrt()


def _rtol(moments: Moments, condition: float = 1.0) -> float:
    d, double = moments.dim, torch.finfo(torch.float64).eps
    # Moments of other coordinates are sums in which what is large may cancel.
    return d * max(d * (condition * moments.eps) ** 2, condition * double)


def mean(x: Tensor, weights: Tensor | None) -> Tensor:
    """Weighted mean of rows, ``(..., n, d) -> (..., 1, d)``."""
    if weights is None:
        return x.mean(-2, keepdim=True)
    check_weights(weights, x)
    w = weights.to(x.dtype)[..., None]
    total = w.sum(-2, keepdim=True)
    return (w * x).sum(-2, keepdim=True) / total.where(total != 0, 1)


def root(x: Tensor) -> Tensor:
    """The square root of sums of squares, with a finite derivative where they vanish."""
    return torch.where(x == 0, x, x.where(x != 0, 1).sqrt())


def trace(m: Tensor) -> Tensor:
    """Trace of Hermitian matrices, ``(..., d, d) -> (...)``."""
    return m.diagonal(dim1=-2, dim2=-1).real.sum(-1)
