"""The group of a joint form: a product of groups, each acting in a frame of its own."""

from __future__ import annotations

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
from equiform.groups.framed import GroupOfParts, Part


class JointGroup(GroupOfParts):
    r"""All T that preserve every member of a :class:`~equiform.Joint` form.

    Disjoint slices give the product of their groups. On one slice a definite form and one more
    give the orthogonal matrices that commute with the other's J, for a standard form its maximal
    compact subgroup: O(p) × O(q) on the eigenspaces of a symmetric J, U(m) on those of a skew one.

    Raises:
        NotImplementedError: one slice carries forms other than these.
    """

    def __init__(self, form: Joint, d: int) -> None:
        form.check_dim(d)
        self.form: Joint = form  # pyright: ignore[reportIncompatibleVariableOverride]
        self.dim = d
        self._parts = []
        for s in form.slices:
            rows = torch.eye(d, dtype=torch.float64)[:, s]
            for group, frame in _parts_on_slice(form.forms_on(s), s.stop - s.start):
                back = rows.to(frame.dtype) @ frame
                self._parts.append(Part(group, sigma(back), back))

    def _basis(self) -> Tensor:
        """Bases of the parts, embedded."""
        blocks = [self._embed(p, p.group._basis()) / self._copies(p) ** 0.5 for p in self._parts]
        return torch.cat(blocks)

    def project_algebra(self, m: Tensor) -> Tensor:
        """Nearest algebra element: each part's block, projected."""
        self._check_matrix(m, "m")
        return self._map(lambda group, block: group.project_algebra(block), m)

    def residual(self, t: Tensor) -> Tensor:
        """The largest residual of the parts, or what lies outside their blocks, if larger."""
        parts = super().residual(t)
        outside = torch.linalg.matrix_norm(t - self._map(lambda _, block: block, t))
        outside = (outside / torch.linalg.matrix_norm(t)).to(parts.dtype)
        return outside.maximum(parts).nan_to_num(torch.inf)


def _parts_on_slice(forms: tuple[BilinearForm, ...], d: int) -> list[tuple[IsometryGroup, Tensor]]:
    """The groups, and orthonormal frames within the slice, that preserve all ``forms`` on it."""
    distinct = list(dict.fromkeys(forms))
    dtype = torch.complex128 if forms[0].sesquilinear else torch.float64
    definite = [f for f in distinct if 0 in f.signature(d) and f.frame(d) is None]
    others = [f for f in distinct if f not in definite]
    if len(distinct) == 1 or not others:
        return [(isometry_group(distinct[0], d), torch.eye(d, dtype=dtype))]
    if len(others) > 1 or not definite:
        raise NotImplementedError(
            f"the joint isometry group of {distinct} on one slice is not implemented; "
            "use EuclideanForm() or HermitianForm() and at most one other, or orthogonal slices"
        )
    # Orthogonal T commutes with J, so it acts within the eigenspaces of J: of a skew one ±iλ in
    # conjugate pairs, of which one is enough.
    frames = [
        frame.to(torch.promote_types(frame.dtype, dtype))
        for value, frame in _eigenspaces(others[0], d)
        if value > 0 or others[0].symmetry == 1
    ]
    form = HermitianForm() if frames[0].is_complex() else EuclideanForm()
    return [(CompactGroup(form, frame.shape[1]), frame) for frame in frames]


def _eigenspaces(form: BilinearForm, d: int) -> list[tuple[float, Tensor]]:
    """Eigenvalues of J, or of iJ for a skew form, and orthonormal columns of their eigenspaces."""
    if form.frame(d) is None:
        return [(float(value), space) for value, space in form.eigenvectors(d).items()]
    j = form.matrix(d, dtype=torch.complex128 if form.sesquilinear else torch.float64)
    values, vectors = torch.linalg.eigh(j if form.symmetry == 1 else 1j * j)
    # Eigenvalues that differ by rounding are one.
    cuts = (values.diff() > 1e-9 * values.abs().max()).nonzero().flatten() + 1
    spaces = zip(values.tensor_split(cuts), vectors.tensor_split(cuts, dim=1), strict=True)
    return [(float(v.mean()), space) for v, space in spaces]
