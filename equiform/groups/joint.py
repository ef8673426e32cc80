"""The group of a joint form: a product of groups, each acting in a frame of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from equiform.forms import (
    BilinearForm,
    EuclideanForm,
    HermitianForm,
    Joint,
    isometry_group,
    sigma,
)
from equiform.groups._base import IsometryGroup
from equiform.groups.compact import CompactGroup
from equiform.groups.moments import Moments


class _Part(NamedTuple):
    """A group that acts on the span of orthonormal columns ``frame``.

    A complex frame of a real space stands for itself and its conjugate: the part is then the real
    2m-dimensional space on which the group acts as U(m).
    """

    group: IsometryGroup
    frame: Tensor


class JointGroup(IsometryGroup):
    r"""All T that preserve every member of a :class:`~equiform.Joint` form.

    Disjoint slices give the product of their groups. On one slice a definite form and one more
    give the maximal compact subgroup of the other's group, the orthogonal matrices that commute
    with its J: O(p) × O(q) on the eigenspaces of a symmetric J, U(m) on those of a skew one.

    Args:
        form: the joint form.
        d: the dimension that its slices cover.

    Raises:
        NotImplementedError: one slice carries forms other than these.
    """

    def __init__(self, form: Joint, d: int) -> None:
        form.check_dim(d)
        self.form: Joint = form
        self.dim = d
        eye = torch.eye(d, dtype=torch.float64)
        self._parts = [
            _Part(part.group, eye[:, s].to(part.frame.dtype) @ part.frame)
            for s in form.slices
            for part in _parts_on_slice(form.forms_on(s), s.stop - s.start)
        ]

    @property
    def num_signs(self) -> int:
        """The signs of the parts, one after the other."""
        return sum(part.group.num_signs for part in self._parts)

    def algebra_basis(
        self, *, dtype: torch.dtype | None = None, device: torch.device | str | None = None
    ) -> Tensor:
        """Bases of the parts, embedded, ``(k, d, d)``."""
        dtype = self.dtype if dtype is None else dtype
        blocks = []
        for part in self._parts:
            own = part.group.algebra_basis(dtype=part.frame.dtype, device=device)
            blocks.append(self._embed(part, own) / (2**0.5 if self._doubled(part) else 1))
        return torch.cat(blocks).to(dtype)

    def project_algebra(self, m: Tensor) -> Tensor:
        """Nearest algebra element: each part's block, projected."""
        self._check_matrix(m, "m")
        return self._map(lambda part, block: part.group.project_algebra(block), m)

    def sample(
        self,
        *batch: int,
        rapidity: float | Tensor = 1.0,
        component: Sequence[int] | None = None,
        generator: torch.Generator | None = None,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> Tensor:
        """Independent samples of the parts; see :meth:`IsometryGroup.sample`."""
        signs = None if component is None else list(self._signs(component))
        blocks = []
        for part in self._parts:
            own = None if signs is None else [signs.pop(0) for _ in range(part.group.num_signs)]
            element = part.group.sample(
                *batch,
                rapidity=rapidity,
                component=own,
                generator=generator,
                dtype=part.frame.dtype,
                device=device,
            )
            blocks.append(self._embed(part, element))
        return torch.stack(blocks).sum(0).to(self.dtype if dtype is None else dtype)

    def component(self, t: Tensor) -> Tensor:
        """Signs of the parts, ``(..., d, d) -> (..., num_signs)``."""
        self._check_matrix(t, "t")
        signs = [part.group.component(self._compress(part, t)) for part in self._parts]
        return torch.cat([s.to(t.real.dtype) for s in signs], dim=-1)

    def residual(self, t: Tensor) -> Tensor:
        """The largest residual of the parts, or what lies outside their blocks, if larger."""
        self._check_matrix(t, "t")
        parts = [part.group.residual(self._compress(part, t)) for part in self._parts]
        outside = torch.linalg.matrix_norm(t - self._map(lambda _, block: block, t))
        outside = outside / torch.linalg.matrix_norm(t)
        return torch.stack([outside.to(parts[0].dtype), *parts]).amax(0).nan_to_num(torch.inf)

    def polar(self, m: Tensor) -> Tensor:
        """Polar factors of the parts' blocks; see :meth:`IsometryGroup.polar`."""
        self._check_matrix(m, "m")
        return self._map(lambda part, block: part.group.polar(block), m)

    def balance(self, second_moment: Tensor) -> Tensor:
        """Balanced part by part; see :meth:`IsometryGroup.balance`."""
        self._check_matrix(second_moment, "second_moment")
        return self._map(lambda part, block: part.group.balance(block), second_moment)

    def _extend(self, source: Tensor, target: Tensor, rtol: float) -> Tensor:
        blocks = [
            self._embed(
                part,
                part.group.extend(
                    self._coordinates(part, source), self._coordinates(part, target), rtol=rtol
                ),
            )
            for part in self._parts
        ]
        return torch.stack(blocks).sum(0)

    def _fit(
        self, moments: Moments, tau: Tensor | None, eps: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Part by part: in orthogonal frames the misfit is the sum of the parts' own."""
        fits = [
            part.group._fit(moments.in_frame(part.frame.to(moments.source.device)), tau, eps)
            for part in self._parts
        ]
        blocks = [self._embed(p, matrix) for p, (matrix, *_) in zip(self._parts, fits, strict=True)]
        ranks = [
            rank * (2 if self._doubled(p) else 1)
            for p, (_, rank, _) in zip(self._parts, fits, strict=True)
        ]
        return (
            torch.stack(blocks).sum(0),
            torch.stack(ranks).sum(0),
            torch.stack([identifiable for *_, identifiable in fits]).all(0),
        )

    def _doubled(self, part: _Part) -> bool:
        return part.frame.is_complex() and not self.form.sesquilinear

    def _coordinates(self, part: _Part, x: Tensor) -> Tensor:
        """Rows x in the frame: c = V^σ x for columns, in float64."""
        frame = part.frame.to(x.device)
        return x.to(torch.promote_types(x.dtype, frame.dtype)) @ frame.conj()

    def _compress(self, part: _Part, m: Tensor) -> Tensor:
        """The block V^σ m V of a matrix, in float64."""
        frame = part.frame.to(m.device)
        m = m.to(torch.promote_types(m.dtype, frame.dtype))
        return sigma(frame) @ m @ frame

    def _embed(self, part: _Part, block: Tensor) -> Tensor:
        """V block V^σ, and its conjugate where the frame stands for both."""
        frame = part.frame.to(block.device)
        whole = frame @ block.to(frame.dtype) @ sigma(frame)
        return 2 * whole.real if self._doubled(part) else whole

    def _map(self, function: Callable[[_Part, Tensor], Tensor], m: Tensor) -> Tensor:
        """Apply ``function`` to every block of m, in the dtype of m."""
        blocks = [
            self._embed(part, function(part, self._compress(part, m))) for part in self._parts
        ]
        return torch.stack(blocks).sum(0).to(m.dtype)


def _parts_on_slice(forms: tuple[BilinearForm, ...], d: int) -> list[_Part]:
    """The groups, and their frames within the slice, that preserve all ``forms`` on it."""
    distinct = list(dict.fromkeys(forms))
    dtype = torch.complex128 if forms[0].sesquilinear else torch.float64
    groups = [isometry_group(form, d) for form in distinct]
    if len(distinct) == 1:
        return [_Part(groups[0], torch.eye(d, dtype=dtype))]
    others = [f for f, g in zip(distinct, groups, strict=True) if not isinstance(g, CompactGroup)]
    if len(others) > 1 or len(others) == len(distinct):
        raise NotImplementedError(
            f"the joint isometry group of {distinct} on one slice is not implemented; "
            "use one definite form and at most one other, or orthogonal slices"
        )
    if not others:
        return [_Part(groups[0], torch.eye(d, dtype=dtype))]
    # Orthogonal T commutes with J, so it acts within the eigenspaces of J: ±1, or ±i in conjugate
    # pairs, of which one is enough. Making J Hermitian gives both cases one routine.
    form = others[0]
    j = form.matrix(d, dtype=dtype)
    values, vectors = torch.linalg.eigh(j if form.symmetry == 1 else 1j * j)
    frames = [vectors[:, values > 0]]
    if form.symmetry == 1 or form.sesquilinear:
        frames.append(vectors[:, values < 0])
    definite = HermitianForm() if frames[0].is_complex() else EuclideanForm()
    return [_Part(CompactGroup(definite, frame.shape[1]), frame) for frame in frames]
