"""Isometries of a form that is not definite: O(p, q), the Lorentz group, Sp(2m, R)."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor

from equiform._points import decidable
from equiform.forms import sigma
from equiform.groups._base import Fit
from equiform.groups.classical import ClassicalGroup
from equiform.groups.fit.descent import descend, differentiable
from equiform.groups.fit.implicit import on_values
from equiform.groups.fit.polar import newton_polar
from equiform.groups.fit.starts import balance, cartan, isometry_near, nearest_compact
from equiform.groups.moments import Moments, Rounding, trace


class NoncompactGroup(ClassicalGroup):
    r"""O(p, q) with p, q ≥ 1, Sp(2m, R) and their like: the best fit is found by descent."""

    def _polar(self, m: Tensor) -> Tensor:
        """Generalised polar factor by Newton's iteration."""
        t = newton_polar(self.form, m)
        inside = self.contains(t)
        if decidable(inside) and not inside.all():
            raise ValueError(
                f"m has no polar factor in {self!r}: m*m must have no eigenvalue on the closed "
                "negative axis, and m must lie over the group's component"
            )
        return t.where(inside[..., None, None], torch.nan)

    def _balance(self, second_moment: Tensor) -> Tensor:
        return balance(self.form, _regular(second_moment, trace(second_moment)))

    def _fit(self, moments: Moments, tau: Tensor | None, rounding: Rounding) -> Fit:
        """Descent from several starts and across the components."""
        rank, identifiable = self._determined(moments, rounding)
        problem = moments if tau is None else moments.anchored(tau)

        def search(p: Tensor, n: Tensor, q: Tensor, weight: Tensor) -> tuple[Tensor]:
            batch = weight.ndim
            flat = Moments(p, n, q, weight).map(lambda m: m.reshape(-1, *m.shape[batch:]))
            return (self._search(flat).view_as(p),)

        (g,) = on_values(search, *problem.parts)
        return differentiable(self.form, problem, g).mT, rank, identifiable

    def _search(self, moments: Moments) -> Tensor:
        """The best of the minima that descent reaches, in row action, ``(k, d, d)``."""
        g = self._best(moments, self._starts(moments))
        # Descent stays in its component, and noise can hide which one is right: try the others from
        # where they are closest, and once more from there.
        for _ in range(2 if self._free else 0):
            g = self._best(moments, torch.stack([g, *self._reflected(moments, g)]))
        g, _ = descend(self.form, moments, g, steps=100)
        # Many steps have led a little off the group; few are left, unless down a flat valley.
        g, _ = descend(self.form, moments, isometry_near(self.form, g), steps=60, newton=True)
        return g.where(self.contains(g.mT)[..., None, None], isometry_near(self.form, g))

    def _best(self, moments: Moments, starts: Tensor) -> Tensor:
        """Descend from each of ``(s, k, d, d)``, and keep the best of each problem."""
        s, k = starts.shape[:2]
        repeated = moments.map(lambda m: m.expand(s, *m.shape).flatten(0, 1))
        g, value = descend(self.form, repeated, starts.flatten(0, 1), steps=2)
        # Where there is little noise, what starts in the wrong place is soon seen to.
        error = (value + repeated.energy).view(s, k)
        hopeful = (error <= 10 * error.amin(0)).flatten()
        rest = repeated.map(lambda m: m[hopeful])
        g[hopeful], value[hopeful] = descend(self.form, rest, g[hopeful], steps=18)
        best = value.view(s, k).argmin(0)
        return g.view_as(starts)[best, torch.arange(k, device=best.device)]

    def _starts(self, moments: Moments) -> Tensor:
        """Group elements to descend from, ``(s, k, d, d)``."""
        form = self.form
        # Directions without data get a trace of the identity.
        size = trace(moments.source)
        p, n, q = (_regular(m, size) for m in (moments.source, moments.cross, moments.target))
        estimate = torch.linalg.solve(p, n)
        h_b, h_a = balance(form, p), balance(form, q)
        starts = [
            cartan(form, estimate, min(form.signature(self.dim))),
            h_b @ nearest_compact(form, h_b @ n @ h_a) @ form.adjoint(h_a),
            isometry_near(form, estimate),
        ]
        stacked = torch.stack([self._admit(g) for g in starts])
        eye = torch.eye(self.dim, dtype=p.dtype, device=p.device)
        # What noise pushed far out of the group is no start.
        good = self.residual(stacked.mT) < 1e-12
        return torch.where(good[..., None, None], stacked, eye)

    def _admit(self, g: Tensor) -> Tensor:
        """Reflect what lies in a component that the subgroup leaves out."""
        for sign in self._pinned:
            outside = self._determinant_sign(g.mT, sign) < 0
            axis = self._eigenspaces[sign][:, :1].to(g)
            g = torch.where(outside[..., None, None], g - 2 * (g @ axis) @ axis.mT, g)
        return g

    def _reflected(self, moments: Moments, g: Tensor) -> list[Tensor]:
        """g before or after a reflection, into each other component, that raises the misfit least.

        Along a unit vector v of an eigenspace of J, g r has a misfit larger by
        :math:`4 v^t g^σ N v` and r g by :math:`4 v^t N g^σ v`, apart from what the data say of the
        other eigenspace.
        """
        n = moments.cross
        after, before = (self._cheapest_reflections(m) for m in (sigma(g) @ n, n @ sigma(g)))
        return [g @ r for r in after] + [r @ g for r in before]

    def _cheapest_reflections(self, m: Tensor) -> list[Tensor]:
        """1 - 2 v v^t with least v^t m v, one for each free sign, and their product."""
        single = []
        for sign in self._free:
            basis = self._eigenspaces[sign].to(m)
            block = basis.mT @ (m + m.mT) @ basis
            v = basis @ torch.linalg.eigh(block).eigenvectors[..., :1]
            single.append(torch.eye(self.dim, dtype=m.dtype, device=m.device) - 2 * v @ v.mT)
        return single + [a @ b for a, b in itertools.combinations(single, 2)]

    def _determined(self, moments: Moments, rounding: Rounding) -> tuple[Tensor, Tensor]:
        """Rank of the points, and whether they leave one isometry only."""
        values, vectors = torch.linalg.eigh(moments.source.detach())
        spectra = values, torch.linalg.eigvalsh(moments.target.detach())
        ranks = [(v > x[..., None]).sum(-1) for v, x in zip(spectra, rounding, strict=True)]
        rank = torch.minimum(*ranks)
        identifiable = rank == self.dim
        if self._eigenspaces:
            # A hyperplane leaves the reflection along its normal v, unless that is null or changes
            # a sign that the subgroup holds.
            square = self.form.inner(vectors[..., 0], vectors[..., 0])
            held = square.abs() < 1e-7
            for sign in self._pinned:
                held = held | (sign * square > 0)
            identifiable = identifiable | ((rank == self.dim - 1) & held)
        return rank, identifiable


def _regular(m: Tensor, size: Tensor) -> Tensor:
    """m + τI with τ a billionth of the mean eigenvalue of which ``size`` is the sum, 1 for zero."""
    d = m.shape[-1]
    tau = torch.where(size == 0, 1, 1e-9 * size.abs() / d)
    return m + tau[..., None, None] * torch.eye(d, dtype=m.dtype, device=m.device)
