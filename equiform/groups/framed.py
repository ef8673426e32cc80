"""Groups that act in frames of their own, such as that of a form in another basis."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from equiform._points import squared_modulus
from equiform.forms import BilinearForm, isometry_group, sigma
from equiform.groups._base import Fit, IsometryGroup
from equiform.groups._matrices import Signs
from equiform.groups.moments import Moments, Rounding


class Part(NamedTuple):
    """A group that acts on the coordinates V y of columns y.

    Attributes:
        group: the group.
        into: V, shape ``(k, d)``, in double precision.
        back: U with V U = I, shape ``(d, k)``.
        condition: the condition number of V.
    """

    group: IsometryGroup
    into: Tensor
    back: Tensor
    condition: float

    @classmethod
    def of(cls, group: IsometryGroup, into: Tensor, back: Tensor) -> Part:
        """The part, with the condition number of V."""
        return cls(group, into, back, float(torch.linalg.cond(into)))

    def on(self, x: Tensor) -> Part:
        """The part on the device of x."""
        return self._replace(into=self.into.to(x.device), back=self.back.to(x.device))

    def block(self, m: Tensor) -> Tensor:
        """V m U of a matrix, in double precision."""
        own = self.on(m)
        return own.into @ m.to(torch.promote_types(m.dtype, own.into.dtype)) @ own.back


class GroupOfParts(IsometryGroup):
    r"""The :math:`T = \sum_k U_k T_k V_k` of groups that act in frames, which span the space.

    What depends on a norm, such as a fit or the rapidity of samples, is that of the coordinates. A
    complex frame of a real space stands for itself and its conjugate: the part is then the real
    2k-dimensional space on which the group acts as U(k).
    """

    _parts: list[Part]

    @property
    def condition(self) -> float:
        """The largest of the parts: the square of the condition number of a frame."""
        return max(p.group.condition * p.condition**2 for p in self._parts)

    @property
    def is_compact(self) -> bool:
        """Whether the groups of all parts are."""
        return all(part.group.is_compact for part in self._parts)

    @property
    def num_signs(self) -> int:
        """The signs of the parts, one after the other."""
        return sum(part.group.num_signs for part in self._parts)

    def _sample(
        self, batch: tuple[int, ...], rapidity: float | Tensor, signs: Signs, **source: Any
    ) -> Tensor:
        blocks, first = [], 0
        for part in self._parts:
            last = first + part.group.num_signs
            own = None if signs is None else signs[first:last]
            blocks.append(part.group._sample(batch, rapidity, own, **source))
            first = last
        return self._assemble(blocks)

    def _exp(self, xi: Tensor) -> Tensor:
        return self._map(lambda group, block: group._exp(block), xi)

    def _component(self, t: Tensor) -> Tensor:
        signs = [part.group._component(part.block(t)) for part in self._parts]
        return torch.cat([s.to(t.real.dtype) for s in signs], dim=-1)

    def _residual(self, t: Tensor) -> Tensor:
        """The largest residual of the parts, in their coordinates."""
        return torch.stack([part.group._residual(part.block(t)) for part in self._parts]).amax(0)

    def _polar(self, m: Tensor) -> Tensor:
        return self._map(lambda group, block: group._polar(block), m)

    def _balance(self, second_moment: Tensor) -> Tensor:
        # h acts on rows, in coordinates y V^t, and so its transpose as T does.
        blocks = []
        for part in self._parts:
            v = part.on(second_moment).into
            blocks.append(part.group._balance(v.conj() @ second_moment.to(v.dtype) @ v.mT).mT)
        return self._assemble(blocks).mT.to(second_moment.dtype)

    def _extend(self, source: Tensor, target: Tensor, rtol: Tensor) -> Tensor:
        blocks = []
        for part in self._parts:
            v = part.on(source).into.mT
            b, a = (x.to(torch.promote_types(x.dtype, v.dtype)) @ v for x in (source, target))
            # What is rounding is so beside the points as they were given.
            given = (squared_modulus(source) @ squared_modulus(v)).sum(-2).amax(-1).sqrt()
            own = torch.linalg.matrix_norm(b, 2) if b.numel() else given
            scale = (given / own.where(own != 0, 1)).clamp_min(1)
            blocks.append(part.group._extend(b, a, rtol * scale))
        return self._assemble(blocks)

    def _fit(self, moments: Moments, tau: Tensor | None, rounding: Rounding) -> Fit:
        """Part by part, each with the rounding that its frame makes of that of the points.

        The misfit in the coordinates is the sum of the parts' own.
        """
        fits = []
        for part in self._parts:
            v = part.on(moments.source).into
            own = moments.in_frame(sigma(v))
            least = Rounding.in_frame(v, part.condition, moments, own)
            fits.append(part.group._fit(own, tau, least))
        matrices, ranks, identifiable = zip(*fits, strict=True)
        rank = torch.stack([r * self._copies(p) for r, p in zip(ranks, self._parts, strict=True)])
        return self._assemble(matrices), rank.sum(0), torch.stack(identifiable).all(0)

    def _copies(self, part: Part) -> int:
        return 2 if part.into.is_complex() and not self.form.sesquilinear else 1

    def _embed(self, part: Part, block: Tensor) -> Tensor:
        """U block V, and its conjugate where the frame stands for both."""
        own = part.on(block)
        whole = own.back @ block.to(own.into.dtype) @ own.into
        return 2 * whole.real if self._copies(part) == 2 else whole

    def _assemble(self, blocks: Sequence[Tensor]) -> Tensor:
        """The matrix, in double precision, whose blocks are those of the parts."""
        whole = [self._embed(part, x) for part, x in zip(self._parts, blocks, strict=True)]
        return torch.stack(whole).sum(0)

    def _map(self, function: Callable[[IsometryGroup, Tensor], Tensor], m: Tensor) -> Tensor:
        """Apply ``function`` to every block of m, in the dtype of m."""
        return self._assemble([function(p.group, p.block(m)) for p in self._parts]).to(m.dtype)


class FramedGroup(GroupOfParts):
    r"""The isometries :math:`T = C^{-t} T_J C^t` of a form that is standard in coordinates x C.

    The algebra's basis and projection, though, are those of the Frobenius norm of T itself.

    Raises:
        ValueError: the form is standard as it is, or not one on d dimensions.
    """

    @torch.inference_mode(False)
    def __init__(self, form: BilinearForm, d: int) -> None:
        frame = form.frame(d)
        if frame is None:
            raise ValueError(f"{form!r} is standard; use form.isometry_group({d})")
        self.form: BilinearForm = form  # pyright: ignore[reportIncompatibleVariableOverride]
        self.dim = d
        standard = isometry_group(form.standard(), d)
        self._parts = [Part.of(standard, frame.mT, torch.linalg.inv(frame.mT))]

    def _basis(self) -> Tensor:
        """The standard group's basis in these coordinates, orthonormalised."""
        (part,) = self._parts
        basis = self._embed(part, part.group._basis())
        # Over the reals: of complex matrices, too, the algebra is a real space.
        flat = torch.view_as_real(basis) if basis.is_complex() else basis
        q = torch.linalg.qr(flat.flatten(1).mT).Q.mT.reshape(flat.shape)
        return torch.view_as_complex(q) if basis.is_complex() else q

    def _embed(self, part: Part, block: Tensor) -> Tensor:
        # Solved, which an ill-conditioned frame is worth.
        c = part.on(block).into
        return torch.linalg.solve(c, block.to(c.dtype) @ c)

    def _exp(self, xi: Tensor) -> Tensor:
        # Rounding is taken off here: in the frame's coordinates it would be magnified first.
        return super()._exp(self._project_algebra(xi))

    def _project_algebra(self, m: Tensor) -> Tensor:
        s = self.form.matrix(self.dim, dtype=self._parts[0].into.dtype, device=m.device).conj()
        values, vectors = torch.linalg.eigh(s if self.form.symmetry == 1 else 1j * s)
        # In the eigenbasis X* = -X reads x_ij = -(v_j / v_i) conj(x_ji), entry by entry.
        own = sigma(vectors) @ m.to(vectors.dtype) @ vectors
        ratio = values[:, None] / values
        nearest = vectors @ ((own - ratio * sigma(own)) / (1 + ratio.square())) @ sigma(vectors)
        return (nearest if m.is_complex() else nearest.real).to(m.dtype)
