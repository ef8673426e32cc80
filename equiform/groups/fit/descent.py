r"""Wahba's problem on a group that is not compact: descent from a start, and the derivative.

Over g with :math:`g J g^σ = J` (row action, A ≈ B g) minimise, from the moments P and N alone,

.. math:: f(g) = \mathrm{tr}(g^σ P g) - 2\, \mathrm{Re\, tr}(g^σ N)
               = \lVert A - B g\rVert^2 - \lVert A\rVert^2.

With :math:`C = g^σ P g`, :math:`Γ = C - g^σ N` and ξ in the Lie algebra, on which Π = (1 - \*)/2
projects, :math:`f(g e^ξ)/2` has at ξ = 0 the gradient and the Hessian

.. math:: \nabla = Π\, Γ, \qquad H ξ = Π\, [C ξ + \tfrac12 (ξ^σ Γ + Γ ξ^σ)].

Without the second term, which is as small as the residual, H is that of Gauss and Newton. A step
then solves a Lyapunov equation, :math:`C ξ + ξ C^* + 2 μ ξ = -2 \nabla` with Levenberg's damping
μ, by one eigendecomposition of C. The whole of H is solved by conjugate gradients that this
solution preconditions.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from equiform._points import anywhere
from equiform.forms import BilinearForm, sigma
from equiform.groups._matrix_exp import matrix_exp
from equiform.groups.fit._svd import eigh
from equiform.groups.fit.implicit import along, attached, in_front
from equiform.groups.moments import Moments, trace


class _Expansion(NamedTuple):
    """f at g to second order, and what solves its Lyapunov equation."""

    form: BilinearForm
    c: Tensor
    slack: Tensor  # Γ
    gradient: Tensor
    values: Tensor
    vectors: Tensor
    turned: Tensor  # J V, whose columns are the eigenvectors of C*

    @classmethod
    def at(cls, form: BilinearForm, p: Tensor, n: Tensor, g: Tensor) -> _Expansion:
        c = sigma(g) @ p @ g
        c = (c + sigma(c)) / 2
        slack = c - sigma(g) @ n
        values, vectors = eigh(c)
        # J V up to a sign, which cancels.
        turned = form.apply(vectors.mT).mT
        gradient = project_algebra(form, slack)
        return cls(form, c, slack, gradient, values.clamp_min(0), vectors, turned)

    def hessian(self, xi: Tensor, mu: Tensor) -> Tensor:
        curved = sigma(xi) @ self.slack + self.slack @ sigma(xi)
        return project_algebra(self.form, self.c @ xi + curved / 2) + mu[..., None, None] * xi

    def lyapunov(self, m: Tensor, mu: Tensor) -> Tensor:
        """Solve the Gauss-Newton system H ξ + μ ξ = m; zero where it is singular."""
        sums = self.values[..., :, None] + self.values[..., None, :] + 2 * mu[..., None, None]
        tol = self.values.shape[-1] * torch.finfo(sums.dtype).eps * self.values[..., -1:, None]
        inverse = torch.where(sums > tol, 2 / sums.where(sums > tol, 1), 0)
        inner = sigma(self.vectors) @ m @ self.turned
        return self.vectors @ (inner * inverse) @ sigma(self.turned)

    def solve(self, m: Tensor, mu: Tensor, *, steps: int, rtol: float) -> Tensor:
        """Solve the whole H ξ + μ ξ = m by preconditioned conjugate gradients.

        An item stops at its first direction of negative curvature, with what it has by then: for
        the Gauss-Newton solution at least, which descends.
        """
        x = torch.zeros_like(m)
        r = m
        z = self.lyapunov(r, mu)
        direction = z
        rz = _dot(r, z)
        goal = rtol**2 * rz
        running = rz > 0
        for step in range(steps):
            image = self.hessian(direction, mu)
            curvature = _dot(direction, image)
            if step == 0:
                x = torch.where((curvature > 0)[..., None, None], x, z)
            running = running & (curvature > 0)
            if not anywhere(running):
                break
            length = torch.where(running, rz / curvature.where(running, 1), 0)[..., None, None]
            x = x + length * direction
            r = r - length * image
            z = self.lyapunov(r, mu)
            new = _dot(r, z)
            running = running & (new > goal)
            direction = z + (new / rz.where(rz != 0, 1))[..., None, None] * direction
            rz = new
        return x


def project_algebra(form: BilinearForm, m: Tensor) -> Tensor:
    """Frobenius-nearest element of the Lie algebra, the same for row and for column action."""
    return (m - form.adjoint(m)) / 2


def descend(
    form: BilinearForm, moments: Moments, g: Tensor, *, steps: int, newton: bool = False
) -> tuple[Tensor, Tensor]:
    """Lower the misfit from a start, until it no longer falls or for a number of steps.

    Args:
        form: the form that is preserved.
        moments: of shape ``(k, d, d)``.
        g: group elements to start from, in row action, shape ``(k, d, d)``.
        steps: the most steps; each factorises one d×d matrix an item.
        newton: use the whole Hessian. Near a minimum it converges quadratically whatever the
            residual is; far from one Gauss and Newton's is safer.

    Returns:
        Group elements, shape ``(k, d, d)``, and their misfits ``(k,)``.
    """
    g, value = g.clone(), moments.misfit(g)
    scale = moments.energy + trace(moments.source)
    scale = scale.where(scale != 0, 1)
    mu = torch.zeros_like(value)
    active = torch.arange(len(g), device=g.device)
    for _ in range(steps):
        if not len(active):
            break
        own = moments.map(lambda m, rows=active: m[rows])
        here = _Expansion.at(form, own.source, own.cross, g[active])
        damping = mu[active]
        if newton:
            xi = here.solve(-here.gradient, damping, steps=30, rtol=1e-3)
        else:
            xi = here.lyapunov(-here.gradient, damping)
        trial = g[active] @ matrix_exp(xi)
        reached = own.misfit(trial)
        # Equal up to rounding counts: near the end the last digits of g are below those of f.
        gain = (value[active] - reached) / scale[active]
        eps = torch.finfo(gain.dtype).eps
        # A valley may go down for ever; where rapidities leave the products no digit, it ends.
        bounded = torch.linalg.matrix_norm(trial) < eps**-0.5
        fell = (gain > -4 * eps) & bounded
        g[active] = torch.where(fell[..., None, None], trial, g[active])
        value[active] = torch.where(fell, reached, value[active])
        # Levenberg's damping starts at the mean curvature along the step that failed: a step is
        # long in weakly determined directions, and those are the ones to hold back.
        squared = _dot(xi, xi)
        curvature = -_dot(xi, here.gradient) / squared.where(squared != 0, 1)
        mu[active] = torch.where(
            fell,
            (damping / 5).where(damping > 0.01 * curvature, 0),
            (5 * damping).maximum(curvature),
        )
        active = active[torch.where(fell, gain > 1e-15, squared > 1e-20)]
    return g, value


def differentiable(form: BilinearForm, moments: Moments, g: Tensor) -> Tensor:
    r"""A minimiser g, found somehow, with its derivatives in the moments P and N.

    The gradient of f vanishes at g and stays zero as P and N move, :math:`H ξ + d\nabla = 0` with
    dg = g ξ. H is solved on its range: the derivative is finite where g is not unique, and has no
    meaning there.
    """
    p, n, g = moments.source, moments.cross, g.detach()
    form_, *at_g = _Expansion.at(form, p.detach(), n.detach(), g)

    def gradient(g: Tensor) -> Tensor:
        return project_algebra(form, sigma(g) @ (p @ g - n))

    return attached(g, gradient, lambda g, r: along(g, -_Solve.apply(form_, r, *at_g)))  # type: ignore[operator]


class _Solve(torch.autograd.Function):
    """H⁻¹ m on the range of H, which is self-adjoint: the derivative of any order is H⁻¹ again."""

    @staticmethod
    def forward(form: BilinearForm, m: Tensor, *at_g: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        here = _Expansion(form, *at_g)
        no_damping = torch.zeros_like(here.values[..., 0])
        return here.solve(project_algebra(form, m), no_damping, steps=200, rtol=1e-12)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.form, _, *at_g = inputs
        ctx.save_for_backward(*at_g)
        ctx.save_for_forward(*at_g)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        at_g = ctx.saved_tensors
        return None, _Solve.apply(ctx.form, grad, *at_g), *(None for _ in at_g)

    @staticmethod
    def jvp(ctx: Any, _: None, tangent: Tensor, *at_g: None) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        return _Solve.apply(ctx.form, tangent, *ctx.saved_tensors)

    @staticmethod
    def vmap(info: Any, in_dims: Any, form: BilinearForm, *tensors: Tensor) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        return _Solve.apply(form, *in_front(info.batch_size, in_dims[1:], tensors)), 0


def _dot(x: Tensor, y: Tensor) -> Tensor:
    """Real inner product of matrices, ``(..., d, d), (..., d, d) -> (...)``."""
    return (x.conj() * y).real.sum((-2, -1))
