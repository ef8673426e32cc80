"""The isometries of the hyperboloid, O⁺(1, d-1), whose best fit is in closed form."""

from __future__ import annotations

import torch
from torch import Tensor

from equiform._points import anywhere
from equiform.forms import MinkowskiForm
from equiform.groups._base import Fit
from equiform.groups.fit._svd import svd
from equiform.groups.fit.polar import polar_factor, with_polar_derivative
from equiform.groups.moments import Moments, Rounding
from equiform.groups.noncompact import NoncompactGroup


class Orthochronous(NoncompactGroup):
    r"""O⁺(1, d-1): the Lorentz transformations that keep time's direction, and the hyperboloid.

    On points of the hyperboloid ``recover`` fits by the geometry, not by the coordinates:

    .. math:: \max_T \sum_i w_i \langle a_i, T b_i\rangle
              = -k \min_T \sum_i w_i \cosh(\mathrm{dist}(a_i, T b_i) / \sqrt k),

    which treats all points alike, wherever they lie; in the coordinates the farthest would decide.
    The same is done wherever this maximum exists, as for future timelike vectors it does. Other
    data are fitted by least squares, as ``MinkowskiForm().isometry_group(d)`` does.
    """

    _pinned = (-1,)

    def __init__(self, d: int) -> None:
        super().__init__(MinkowskiForm(), d)

    def _fit(self, moments: Moments, tau: Tensor | None, rounding: Rounding) -> Fit:
        """Procrustes with respect to the form where it has a solution, descent where not."""
        rank, identifiable = self._determined(moments, rounding)
        cross = moments.cross
        if tau is not None:
            # The moments of the points (√2, ±e_i), which T does not move.
            pull = torch.ones(self.dim, dtype=cross.dtype, device=cross.device)
            pull[0] = 2 * (self.dim - 1)
            cross = cross + torch.diag_embed(tau[..., None] * pull)
        k = _scaled(self.form.apply(cross.mT))
        t, axes, values, solved = _procrustes(k.detach())
        # Only where it is the maximum it has a derivative.
        tol = torch.where(solved, 1e-12 * values[..., 0].abs(), torch.inf)[..., None]
        t = with_polar_derivative(t, k, axes, values, tol, self.form.adjoint)
        if torch.compiler.is_compiling():
            return t.where(solved[..., None, None], torch.nan), rank, identifiable
        if anywhere(~solved):
            descended, *_ = super()._fit(moments, tau, rounding)
            t = torch.where(solved[..., None, None], t, descended)
        return t, rank, identifiable


def _procrustes(k: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    r"""The T that maximises :math:`\sum w \langle a, T b\rangle = \mathrm{tr}(T^* K)`, K = N^t J.

    Orthonormal frames V and W of Minkowski space, the time axis first, with K V = W D and
    D = diag(-σ₀, σ₁, …) are a singular value decomposition in its geometry. Where σ₀ is the largest
    value, :math:`T = W V^{-1}` is the maximiser: a boost by η in the plane of axes 0 and i changes
    the sum by :math:`(σ_i - σ_0)(\cosh η - 1) \le 0`. V's first axis is the leading eigenvector
    of K*K; the complements of the first axes are Euclidean, and there T is a polar factor.

    Returns:
        T, V, the diagonal of D, and whether T is the maximiser.
    """
    form = MinkowskiForm()
    v = _leading_axis(form.adjoint(k) @ k)
    w = -(k @ v[..., None])[..., 0]
    solved = (form.inner(v, v) < 0) & (form.inner(w, w) < 0) & (w[..., 0] > 0)
    v, w = _unit(v, solved), _unit(w, solved)
    boost_v, boost_w = _boost(v), _boost(w)
    inner = form.adjoint(boost_w) @ k @ boost_v
    _, s, uh = svd(inner[..., 1:, 1:])
    rotation, _ = polar_factor(inner[..., 1:, 1:])
    # The frames diagonalise K, and time's value leads: else this is no maximum.
    mixed = inner[..., 0, 1:].abs().amax(-1) + inner[..., 1:, 0].abs().amax(-1)
    time = -inner[..., 0, 0]
    solved = solved & (mixed < 1e-6 * time) & (s[..., 0] < time * (1 - 1e-9))
    frame_v = boost_v @ _beside_one(uh.mT)
    frame_w = boost_w @ _beside_one(rotation @ uh.mT)
    d = torch.cat([-time[..., None], s], dim=-1)
    return frame_w @ form.adjoint(frame_v), frame_v, d, solved


def _scaled(m: Tensor) -> Tensor:
    """Of norm 1, or zero; the scale counts as a constant."""
    size = torch.linalg.matrix_norm(m.detach(), keepdim=True)
    return m / size.where(size != 0, 1)


def _leading_axis(m: Tensor) -> Tensor:
    """The eigenvector of the largest eigenvalue, of a matrix that keeps the future cone.

    By squaring again and again, up to the projection on it: a gap of one part in 2⁴⁰ is enough.
    """
    for _ in range(40):
        m = _scaled(m @ m)
    return m[..., 0]  # its image of the time axis, which is not orthogonal to it


def _unit(v: Tensor, timelike: Tensor) -> Tensor:
    """v scaled to square -1 and the future, and the time axis where v is not timelike."""
    space = v[..., 1:] / (-MinkowskiForm().inner(v, v)).where(timelike, 1).sqrt()[..., None]
    space = torch.where(timelike[..., None], space * v[..., :1].sign(), 0)
    # From the space part, so that the square is -1 to the last digit.
    time = (1 + space.square().sum(-1, keepdim=True)).sqrt()
    return torch.cat([time, space], dim=-1)


def _boost(v: Tensor) -> Tensor:
    """The boost that takes the time axis to v, a unit vector of the future."""
    time, space = v[..., 0], v[..., 1:]
    eye = torch.eye(space.shape[-1], dtype=v.dtype, device=v.device)
    block = eye + space[..., :, None] * space[..., None, :] / (1 + time)[..., None, None]
    return torch.cat([v[..., None, :], torch.cat([space[..., :, None], block], dim=-1)], dim=-2)


def _beside_one(m: Tensor) -> Tensor:
    """diag(1, m)."""
    return torch.nn.functional.pad(m, (1, 0, 1, 0)) + torch.nn.functional.pad(
        torch.ones_like(m[..., :1, :1]), (0, m.shape[-1], 0, m.shape[-1])
    )
