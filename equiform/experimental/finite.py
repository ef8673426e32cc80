"""Products of finite orthogonal or unitary groups, given by their elements."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Any

import torch
from torch import Tensor

from equiform._options import check_count
from equiform._points import squared_modulus
from equiform._precision import full_precision
from equiform.forms import BilinearForm, EuclideanForm, HermitianForm, sigma
from equiform.groups import DependencyMismatch, IsometryGroup, Moments
from equiform.groups._arguments import check_pairs
from equiform.groups._base import Fit
from equiform.groups._matrices import Signs
from equiform.groups.moments import Rounding, trace


class FiniteGroup(IsometryGroup):
    r"""A product of finite groups :math:`G_1 \times G_2 \times \dots`, one a block of coordinates.

    Fits run block by block, so that their cost grows with the sum of the orders of the factors
    and not with their product. The group is discrete: a recovered T is locally constant in the
    points, and its gradient zero.

    Args:
        factors: elements of each factor, shape ``(k, b, b)``, real orthogonal, or complex unitary
            where any factor is complex; in the order of the blocks on which they act. None twice,
            and all products of them.

    Attributes:
        factors: the same in float64 or complex128.
        blocks: the coordinates of each.
    """

    def __init__(self, *factors: Tensor) -> None:
        if not factors:
            raise ValueError("FiniteGroup needs at least one factor of shape (k, b, b), got none")
        for position, factor in enumerate(factors):
            _check_factor(factor, f"factor {position}")
        complex_ = any(factor.is_complex() for factor in factors)
        self.form = HermitianForm() if complex_ else EuclideanForm()
        work = torch.complex128 if complex_ else torch.float64
        self.factors = tuple(factor.detach().to(work) for factor in factors)
        ends = list(accumulate((factor.shape[-1] for factor in factors), initial=0))
        self.dim = ends[-1]
        self.blocks = [slice(*pair) for pair in pairwise(ends)]

    @classmethod
    def signs(cls, d: int) -> FiniteGroup:
        """All sign changes of d coordinates, Z2^d."""
        d = check_count("d", d)
        return cls(*[torch.tensor([[[1.0]], [[-1.0]]], dtype=torch.float64)] * d)

    @classmethod
    def cyclic(cls, order: int, form: BilinearForm | None = None) -> FiniteGroup:
        """Rotations by multiples of 2π / order: SO(2), or phases U(1) for ``HermitianForm()``."""
        order = check_count("order", order)
        angle = 2 * math.pi / order * torch.arange(order, dtype=torch.float64)
        c, s = angle.cos(), angle.sin()
        if isinstance(form, HermitianForm):
            return cls(torch.complex(c, s)[:, None, None])
        if form is None or isinstance(form, EuclideanForm):
            return cls(torch.stack([c, -s, s, c], dim=-1).unflatten(-1, (2, 2)))
        raise ValueError(f"form must be EuclideanForm() or HermitianForm(), got {form}")

    @classmethod
    @full_precision
    def generated_by(cls, generators: Tensor, *, max_order: int = 256) -> FiniteGroup:
        """All products of orthogonal or unitary generators ``(m, b, b)``, as one factor."""
        max_order = check_count("max_order", max_order)
        _check_unitary(generators, "generators")
        tol = _tolerance(generators)
        elements = new = torch.eye(generators.shape[-1]).to(generators)[None]
        while len(new):
            products = (new[:, None] @ generators).flatten(0, 1)
            # An element is new at its first appearance only.
            repeated = (_distances(products, products) <= tol).tril(-1).any(-1)
            known = (_distances(products, elements) <= tol).any(-1)
            new = products[~(repeated | known)]
            elements = torch.cat([elements, new])
            if len(elements) > max_order:
                raise ValueError(
                    f"generators give more than max_order={max_order} elements; "
                    "raise it, or check that the group is finite"
                )
        return cls(elements)

    @property
    def order(self) -> int:
        """Number of elements."""
        return math.prod(len(factor) for factor in self.factors)

    @property
    def num_signs(self) -> int:
        """None: the group has no connected components to speak of but its elements."""
        return 0

    def _basis(self) -> Tensor:
        """Empty, shape ``(0, d, d)``."""
        return self.factors[0].new_empty(0, self.dim, self.dim)

    def _project_algebra(self, m: Tensor) -> Tensor:
        """Zero, the only algebra element."""
        return torch.zeros_like(m)

    def _exp(self, xi: Tensor) -> Tensor:
        return torch.eye(self.dim).to(xi).expand_as(xi)

    def _sample(
        self, batch: tuple[int, ...], rapidity: float | Tensor, signs: Signs, **source: Any
    ) -> Tensor:
        """Uniform elements, whatever ``rapidity``."""
        chosen = [torch.randint(len(factor), batch, **source) for factor in self.factors]
        return self._assemble(chosen)

    def _component(self, t: Tensor) -> Tensor:
        """No signs."""
        return t.real.new_empty((*t.shape[:-2], 0))

    def _residual(self, t: Tensor) -> Tensor:
        """Frobenius distance to the nearest element."""
        return torch.linalg.matrix_norm(t - self._polar(t))

    def _polar(self, m: Tensor) -> Tensor:
        """Nearest element in the Frobenius norm; the first of several."""
        dtype = m.dtype.to_complex() if self.form.sesquilinear else m.dtype
        return self._assemble([scores.argmax(-1) for scores in self._scores(m)]).to(dtype)

    def _balance(self, second_moment: Tensor) -> Tensor:
        """The identity: the group leaves norms alone."""
        return torch.eye(self.dim).to(second_moment).expand_as(second_moment)

    @full_precision
    def misfits(self, source: Tensor, target: Tensor) -> list[Tensor]:
        r"""For each factor, :math:`\lVert a_i - g b_i\rVert^2` on its block for all its elements g.

        Points b and a, ``(..., n, d)``, give ``(..., n, k)`` each, in their dtype; never negative.
        """
        check_pairs(self, source, target)
        misfits = []
        for g, block in zip(self.factors, self.blocks, strict=True):
            b, a = source[..., block], target[..., block]
            missed = a[..., None, :] - torch.einsum("kij,...j->...ki", g.to(b), b)
            misfits.append(squared_modulus(missed).sum(-1))
        return misfits

    def _extend(self, source: Tensor, target: Tensor, rtol: Tensor) -> Tensor:
        # From points: moments cannot tell elements apart that differ by less than their rounding.
        chosen = [misfit.sum(-2).argmin(-1) for misfit in self.misfits(source, target)]
        t, norm = self._assemble(chosen), torch.linalg.matrix_norm
        scale = norm(target).maximum(norm(source))
        if not (norm(target - source @ t.mT) <= rtol * scale).all():
            none = f"no element of {self!r} carries source to target"
            raise DependencyMismatch(f"{none}; recover gives the nearest one")
        return t

    def _fit(self, moments: Moments, tau: Tensor | None, rounding: Rounding) -> Fit:
        """Block by block the g with the largest Re tr(g^σ N^t), by going through all of them."""
        s = torch.linalg.svdvals(moments.cross.detach())
        rank = (s > rounding.cross[..., None]).sum(-1)
        scores = self._scores(moments.cross.mT)
        norms = (self._diagonal(moments.source), self._diagonal(moments.target))
        unique = [
            _margin(x) > self.dim * moments.eps * (trace(p) * trace(q)).sqrt()
            for x, p, q in zip(scores, *norms, strict=True)
        ]
        anchored = moments if tau is None else moments.anchored(tau)
        return self._polar(anchored.cross.mT), rank, torch.stack(unique).all(0)

    def _diagonal(self, m: Tensor) -> list[Tensor]:
        return [m[..., block, block] for block in self.blocks]

    @full_precision
    def _scores(self, m: Tensor) -> list[Tensor]:
        """For each factor Re tr(g^σ m) of its block for all its elements, shape ``(..., k)``."""
        work = torch.promote_types(m.dtype, self.factors[0].dtype)
        return [
            torch.einsum("kij,...ij->...k", g.to(m.device).conj(), block).real
            for g, block in zip(self.factors, self._diagonal(m.detach().to(work)), strict=True)
        ]

    def _assemble(self, chosen: Sequence[Tensor]) -> Tensor:
        """Block-diagonal matrices from the place of an element in each factor."""
        elements = [g.to(k.device)[k] for g, k in zip(self.factors, chosen, strict=True)]
        t = elements[0].new_zeros(*chosen[0].shape, self.dim, self.dim)
        for block, element in zip(self.blocks, elements, strict=True):
            t[..., block, block] = element
        return t

    def __repr__(self) -> str:
        orders = " × ".join(str(len(factor)) for factor in self.factors)
        return f"{type(self).__name__}({self.form!r}, d={self.dim}, order={orders})"


def _margin(scores: Tensor) -> Tensor:
    """How far the best of the scores is from the second; infinite where there is only one."""
    best = torch.nn.functional.pad(scores, (0, 1), value=-torch.inf).topk(2, dim=-1).values
    return best[..., 0] - best[..., 1]


def _tolerance(elements: Tensor) -> float:
    """Distance below which two elements count as one."""
    return torch.finfo(elements.dtype).eps ** 0.5


def _distances(x: Tensor, y: Tensor) -> Tensor:
    """Frobenius distances ``(k, l)`` of all pairs of matrices, without cancellation."""
    x, y = (torch.view_as_real(m + 0j).flatten(1) for m in (x, y))
    return torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist")


def _check_unitary(elements: Tensor, name: str) -> None:
    if not isinstance(elements, Tensor):
        raise TypeError(f"{name} must be a tensor (k, b, b), got {type(elements).__name__}")
    if elements.ndim != 3 or elements.shape[-1] != elements.shape[-2] or 0 in elements.shape:
        raise ValueError(f"{name} must have shape (k, b, b), got {tuple(elements.shape)}")
    if not (elements.is_floating_point() or elements.is_complex()):
        raise ValueError(f"{name} must be floating-point or complex, got {elements.dtype}")
    eye = torch.eye(elements.shape[-1]).to(elements)
    defect = torch.linalg.matrix_norm(sigma(elements) @ elements - eye).max()
    if not defect <= _tolerance(elements):
        kind = "unitary" if elements.is_complex() else "orthogonal"
        given = f"{name} must be {kind}, but ‖g^σ g - I‖ is {float(defect):.2g}"
        raise ValueError(f"{given}; take a basis that is orthonormal for an invariant product")


def _check_factor(elements: Tensor, name: str) -> None:
    """Raise unless the elements are a group: closed is enough for finitely many invertible ones."""
    _check_unitary(elements, name)
    tol = _tolerance(elements)
    if (_distances(elements, elements) <= tol).sum() > len(elements):
        raise ValueError(f"{name} holds an element twice; give each once (torch.unique(dim=0))")
    for g in elements:
        if (_distances(g @ elements, elements).amin(-1) > tol).any():
            raise ValueError(
                f"{name} is not closed under multiplication; complete its {len(elements)} "
                "elements by FiniteGroup.generated_by"
            )
