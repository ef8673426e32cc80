r"""Where to start the descent of Wahba's problem: estimates of g in row action, A ≈ B g.

A few matrix functions of the moments, the same for every form, and in the group to the last digit.
Two facts carry them. The orthogonal (unitary) matrices that commute with J are the maximal compact
subgroup K; :math:`(m + J^{-1} m J)/2` is the projection on the commutant of J, and the polar factor
of what it gives is in K. And the positive definite isometries are the :math:`e^X` with X symmetric
and in the Lie algebra, on which :math:`Π = (1 - *)/2` projects.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from equiform.forms import BilinearForm, sigma
from equiform.groups._matrix_exp import matrix_exp
from equiform.groups.fit._svd import eigh, svd
from equiform.groups.fit.descent import project_algebra
from equiform.groups.fit.implicit import attached


def balance(form: BilinearForm, second_moment: Tensor) -> Tensor:
    r"""The positive definite isometry h that makes :math:`\lVert B h\rVert_F` smallest.

    At the minimum :math:`h S h` commutes with J, where :math:`S = B^σ B`. This says that H = h²
    solves :math:`H S H = J S J^σ`: it is the geometric mean of :math:`S^{-1}` and
    :math:`J S J^σ`. Balancing both B and B g leaves the two apart by an element of K.

    Source: Kempf & Ness (1979) on minimal vectors; Bhatia, Positive Definite Matrices (2007),
        chapter 4, on the mean.
    """
    s = second_moment.detach()
    root, inverse = (_function(s, lambda x, p=p: x.pow(p)) for p in (0.5, -0.5))
    middle = _function(root @ form.adjoint(s) @ root, torch.sqrt)
    square = inverse @ middle @ inverse
    h = _positive_isometry(form, square)

    def move(y: Tensor, r: Tensor) -> Tensor:
        return y + inverse @ _sylvester(middle, root @ r @ root) @ inverse

    square = attached(square, lambda y: form.adjoint(second_moment) - y @ second_moment @ y, move)
    return attached(h, lambda y: square - y @ y, lambda y, r: y + _sylvester(h, r))


def isometry_near(form: BilinearForm, estimate: Tensor) -> Tensor:
    r"""The isometry k p whose factors are nearest to those of an estimate's polar form.

    It is in the group to the last digit, and moves an isometry by its rounding only.
    """
    positive = _positive_isometry(form, sigma(estimate) @ estimate)
    # The inverse of an isometry is its adjoint.
    return nearest_compact(form, estimate @ form.adjoint(positive)) @ positive


def cartan(form: BilinearForm, estimate: Tensor, witt_index: int) -> Tensor:
    r"""The isometry :math:`k_1 a k_2` whose large singular values and vectors are an estimate's.

    Noise drowns the directions that g contracts. But they are the images under J of those that it
    stretches, contracted by as much. So only the leading singular triples are read; the frames of
    their vectors, made isotropic, are completed by J, and what is left between is fitted within K.

    They are ``witt_index``, the dimension of the largest isotropic subspaces. The result is in the
    group wherever the leading frames are well defined.
    """
    u, s, vh = svd(estimate)
    left = _isotropic_pair(form, u[..., :witt_index])
    right = _isotropic_pair(form, sigma(vh[..., :witt_index, :]))
    stretched = s[..., :witt_index].clamp_min(1)
    factors = torch.cat([stretched, 1 / stretched], dim=-1)
    g = (left * factors[..., None, :]) @ sigma(right)
    rest = estimate.shape[-1] - 2 * witt_index
    if rest:
        eye = torch.eye(estimate.shape[-1], dtype=g.dtype, device=g.device)
        off_left, off_right = eye - left @ sigma(left), eye - right @ sigma(right)
        g = g + nearest_compact(form, off_left @ estimate @ off_right, rank=rest)
    return g


def nearest_compact(form: BilinearForm, m: Tensor, *, rank: int | None = None) -> Tensor:
    """Nearest element of K, or partial isometry of a rank that commutes with J."""
    # Twice: where m is ill conditioned, the first factor commutes with J only roughly.
    for _ in range(2):
        u, _, vh = svd((m + form.adjoint(sigma(m))) / 2)
        m = u[..., :rank] @ vh[..., :rank, :]
    return m


def _isotropic_pair(form: BilinearForm, frame: Tensor) -> Tensor:
    """[U, J U] for the isotropic orthonormal U nearest to a frame, ``(..., d, w) -> (..., d, 2w)``.

    [F, J F] intertwines the standard J of 2w dimensions with J, and so does its polar factor.
    """
    w, pair = frame.shape[-1], frame
    for _ in range(2):  # as in nearest_compact
        frame = pair[..., :w]
        image = form.symmetry * form.apply(frame.mT).mT
        u, _, vh = svd(torch.cat([frame, image], dim=-1), full_matrices=False)
        pair = u @ vh
    return pair


def _positive_isometry(form: BilinearForm, square: Tensor) -> Tensor:
    """The positive definite isometry whose square is nearest to a positive definite matrix."""
    return matrix_exp(project_algebra(form, _function(square, torch.log) / 2))


def _sylvester(m: Tensor, right: Tensor) -> Tensor:
    """X with m X + X m = right, for a positive definite m."""
    values, vectors = eigh(m)
    inner = sigma(vectors) @ right @ vectors
    return vectors @ (inner / (values[..., :, None] + values[..., None, :])) @ sigma(vectors)


def _function(m: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor:
    """Function of a positive definite matrix; eigenvalues lost to rounding count as the least."""
    values, vectors = eigh((m + sigma(m)) / 2)
    floor = torch.finfo(values.dtype).eps * values.abs().amax(-1, keepdim=True)
    return (vectors * function(values.maximum(floor))[..., None, :]) @ sigma(vectors)
