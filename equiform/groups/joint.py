"""The group of a joint form: a product of groups, each acting in a frame of its own."""

from __future__ import annotations

import torch
from torch import Tensor

from equiform._points import squared_modulus
from equiform.forms import (
    BilinearForm,
    EuclideanForm,
    HermitianForm,
    Joint,
    isometry_group,
    sigma,
)
from equiform.groups._base import IsometryGroup
from equiform.groups._scale import to_unit
from equiform.groups.compact import CompactGroup
from equiform.groups.framed import GroupOfParts, Part
from equiform.groups.moments import root


class JointGroup(GroupOfParts):
    r"""All T that preserve every member of a :class:`~equiform.Joint` form.

    Disjoint slices give the product of their groups. On one slice a definite form and one more
    give the orthogonal matrices that commute with the other's J, for a standard form its maximal
    compact subgroup: O(p) × O(q) on the eigenspaces of a symmetric J, U(m) on those of a skew one.

    Raises:
        NotImplementedError: one slice carries forms other than these.
    """

    @torch.inference_mode(False)
    def __init__(self, form: Joint, d: int) -> None:
        form.check_dim(d)
        self.form: Joint = form  # pyright: ignore[reportIncompatibleVariableOverride]
        self.dim = d
        self._parts = []
        for s in form.slices:
            rows = torch.eye(d, dtype=torch.float64, device="cpu")[:, s]
            for group, frame, size in _parts_on_slice(form.forms_on(s), s.stop - s.start):
                back = rows.to(frame.dtype) @ frame
                # Coordinates in which lengths are those of the form's.
                self._parts.append(Part.of(group, sigma(back) * size**0.5, back / size**0.5))

    def _basis(self) -> Tensor:
        """Bases of the parts, embedded."""
        blocks = [self._embed(p, p.group._basis()) / self._copies(p) ** 0.5 for p in self._parts]
        return torch.cat(blocks)

    def _project_algebra(self, m: Tensor) -> Tensor:
        """Each part's block, projected."""
        return self._map(lambda group, block: group._project_algebra(block), m)

    def _residual(self, t: Tensor) -> Tensor:
        """The largest residual of the parts, or what lies outside their blocks, if larger."""
        scaled = t * to_unit(t)
        outside = scaled - self._map(lambda _, block: block, scaled)
        squared, whole = (squared_modulus(x).sum((-2, -1)) for x in (outside, scaled))
        return root(squared / whole.where(whole != 0, 1)).maximum(super()._residual(t))


def _parts_on_slice(
    forms: tuple[BilinearForm, ...], d: int
) -> list[tuple[IsometryGroup, Tensor, float]]:
    """The groups that preserve all ``forms`` on a slice, their orthonormal frames, and |λ|."""
    distinct = list(dict.fromkeys(forms))
    dtype = torch.complex128 if forms[0].sesquilinear else torch.float64
    definite = [f for f in distinct if 0 in f.signature(d) and f.frame(d) is None]
    others = [f for f in distinct if f not in definite]
    if len(distinct) == 1 or not others:
        return [(isometry_group(distinct[0], d), torch.eye(d, dtype=dtype, device="cpu"), 1.0)]
    if len(others) > 1 or not definite:
        raise NotImplementedError(
            f"the joint isometry group of {distinct} on one slice is not implemented; "
            "use EuclideanForm() or HermitianForm() and at most one other, or orthogonal slices"
        )
    # T is orthogonal, so it commutes with J and acts within its eigenspaces. On a real space those
    # of a skew J come in conjugate pairs ±iλ, of which one is enough.
    (other,) = others
    pairs = other.symmetry == -1 and not other.sesquilinear
    parts: list[tuple[IsometryGroup, Tensor, float]] = []
    for value, frame in _eigenspaces(other, d):
        if value > 0 or not pairs:
            frame = frame.to(torch.promote_types(frame.dtype, dtype))
            form = HermitianForm() if frame.is_complex() else EuclideanForm()
            parts.append((CompactGroup(form, frame.shape[1]), frame, abs(value)))
    return parts


def _eigenspaces(form: BilinearForm, d: int) -> list[tuple[float, Tensor]]:
    """Eigenvalues of J, or of iJ for a skew form, and orthonormal columns of their eigenspaces.

    Of J̄ for a Hermitian one: T^t J T̄ = J says so of T.
    """
    if form.frame(d) is None:
        return [(float(value), space) for value, space in form.eigenvectors(d).items()]
    dtype = torch.complex128 if form.sesquilinear else torch.float64
    j = form.matrix(d, dtype=dtype, device="cpu").conj()
    values, vectors = torch.linalg.eigh(j if form.symmetry == 1 else 1j * j)
    # Eigenvalues that rounding parts are one, unless a product would differ by more than a percent.
    rounding = 10 * d * form.eps * values.abs().max()
    cuts, first = [], values[0]
    for i, value in enumerate(values):
        if value - first > rounding.minimum(0.01 * first.abs()):
            cuts.append(i)
            first = value
    spaces = zip(values.tensor_split(cuts), vectors.tensor_split(cuts, dim=1), strict=True)
    return [(float(v.mean()), space) for v, space in spaces]
