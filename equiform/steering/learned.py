"""A group element for each augmentation by one learned map, without a solve for any of them."""

from __future__ import annotations

from functools import reduce

import torch
from torch import Tensor, nn

from equiform._options import check_count
from equiform._points import at_least, real_dtype, squared_modulus
from equiform._precision import full_precision
from equiform.functional._arguments import check_callable, check_group
from equiform.groups import IsometryGroup, Moments
from equiform.groups.recovery import in_coordinates


class LearnedIsometry(nn.Module):
    r"""ρ(θ), from the parameters of an augmentation to the group element that it acts by.

    .. math:: ρ(θ) = \exp ξ_1(θ) \cdots \exp ξ_F(θ), \qquad ξ(θ) = g(θ) - g(0),

    with every :math:`ξ_i(θ)` in the Lie algebra: ρ(θ) is in the group whatever the weights are, and
    ρ(0) = I. Fit it through moments (:meth:`moment_loss`): the mean of logarithms of noisy
    solutions, one for each augmentation, is biased. The fit is not convex, and begins near the
    identity: let small augmentations come first, and large ones join while it converges.

    One factor reaches what ``group.exp`` does: the identity component, and for Sp(2m, R) and
    O(p, q) with p, q ≥ 2 not all of it. Two factors reach all of it, as T = K exp(X) with K in the
    connected compact part. For augmentations that act from another component multiply by one
    element T0 of it, recovered or drawn: ``ρ(θ) @ T0``.

    Args:
        group: where ρ takes its values.
        num_parameters: k, the length of θ.
        num_factors: F, the number of exponentials.
        network: g, any module ``(..., k) -> (..., num_factors * dim of the algebra)`` that acts on
            each row by itself, so no batch normalisation and no dropout; linear generators, with
            small random weights and no bias, unless given.

    Shape:
        ``(..., k) -> (..., d, d)``, in float32 at least, acting on columns: rows transform as
        ``x @ ρ(θ).mT``.
    """

    def __init__(
        self,
        group: IsometryGroup,
        num_parameters: int,
        *,
        num_factors: int = 1,
        network: nn.Module | None = None,
    ) -> None:
        super().__init__()
        check_group(group)
        self.num_parameters = num_parameters = check_count("num_parameters", num_parameters)
        self.num_factors = num_factors = check_count("num_factors", num_factors)
        if network is not None:
            check_callable("network", network, f"a module such as nn.Linear({num_parameters}, ...)")
        self.group = group
        self._num_coordinates = num_factors * len(group.algebra_basis())
        if network is None:
            network = _LinearGenerators(num_parameters, self._num_coordinates)
        self.network = network

    @full_precision
    def algebra(self, theta: Tensor) -> Tensor:
        """ξ_1(θ), …, ξ_F(θ), ``(..., k) -> (..., num_factors, d, d)``, in float32 or better."""
        self._check_parameters(theta=theta)
        coordinates = self.network(theta) - self.network(theta.new_zeros(1, self.num_parameters))[0]
        if coordinates.shape != (*theta.shape[:-1], self._num_coordinates):
            raise ValueError(
                f"network must return shape (..., {self._num_coordinates}), the coordinates of "
                f"{self.num_factors} elements of the algebra of {self.group!r}, "
                f"got {tuple(coordinates.shape)}"
            )
        (coordinates,) = at_least(torch.float32, coordinates)
        if self.group.form.sesquilinear:
            coordinates = coordinates + 0j
        basis = self.group.algebra_basis(dtype=coordinates.dtype, device=theta.device)
        return torch.tensordot(coordinates.unflatten(-1, (self.num_factors, -1)), basis, 1)

    @full_precision
    def forward(self, theta: Tensor) -> Tensor:
        """ρ(θ), in the precision of weights and θ but float32 at least, under autocast too."""
        # Rounded to half precision a product of isometries is none.
        return reduce(torch.matmul, self.group.exp(self.algebra(theta)).unbind(-3))

    @full_precision
    def moment_loss(self, theta: Tensor, moments: Moments) -> Tensor:
        r"""Mean over augmentations of the relative squared residual, in the form's coordinates.

        .. math:: \frac1m \sum_a \lVert A_a - B_a ρ(θ_a)^t\rVert_W^2 / \lVert A_a\rVert_W^2

        Of m augmentations, θ of shape ``(m, k)`` and moments ``(m, d, d)``, in O(m d³) however many
        points they hold; computed in the dtype of the moments, and a scalar in that of θ, but
        float32 at least. The residual is not divided where A = 0.
        """
        if not isinstance(moments, Moments):
            raise TypeError(f"moments must be Moments.of(source, target), got {moments!r}")
        g = self.group.form.on_coordinates(self(theta).to(moments.source.dtype)).mT
        if g.shape != moments.source.shape:
            raise ValueError(
                f"moments must have shape {tuple(g.shape)} for theta of shape "
                f"{tuple(theta.shape)}, got {tuple(moments.source.shape)}"
            )
        moments = in_coordinates(self.group.form, moments)
        energy = moments.energy
        squared = (energy + moments.misfit(g)) / energy.where(energy != 0, 1)
        return squared.mean().to(real_dtype(theta))

    @full_precision
    def composition_loss(self, theta: Tensor, theta_prime: Tensor, composed: Tensor) -> Tensor:
        r"""Defect of the composition law, in the form's coordinates: mean of
        :math:`\lVert ρ(θ∘θ') - ρ(θ) ρ(θ')\rVert_F^2 / 2d`.

        It needs no data: any pairs of parameters ``(..., k)`` serve, with those of θ∘θ', the
        augmentation θ' followed by θ; fresh ones at each step teach ρ about augmentations that were
        never observed. Unrelated elements of a compact group have about 1.
        """
        self._check_parameters(theta=theta, theta_prime=theta_prime, composed=composed)
        first, second, both = self(torch.stack([theta, theta_prime, composed]))
        defect = squared_modulus(self.group.form.on_coordinates(both - first @ second))
        return defect.sum((-2, -1)).mean().to(real_dtype(theta)) / (2 * self.group.dim)

    def _check_parameters(self, **sets: Tensor) -> None:
        k = self.num_parameters
        for name, x in sets.items():
            if not isinstance(x, Tensor) or not x.is_floating_point():
                got = x.dtype if isinstance(x, Tensor) else type(x).__name__
                raise TypeError(
                    f"{name} must be a tensor of real floating-point numbers, got {got}; "
                    f"use torch.as_tensor({name}).float()"
                )
            if x.shape[-1:] != (k,):
                raise ValueError(f"{name} must have shape (..., {k}), got {tuple(x.shape)}")
        if len({x.shape for x in sets.values()}) > 1:
            shapes = " and ".join(str(tuple(x.shape)) for x in sets.values())
            raise ValueError(f"{' and '.join(sets)} must have one shape (..., {k}), got {shapes}")

    def extra_repr(self) -> str:
        """The arguments that matter, for ``print(map)``."""
        return f"{self.group!r}, {self.num_parameters}, num_factors={self.num_factors}"


class _LinearGenerators(nn.Module):
    """Coordinates linear in θ: one generator for each of the k parameters and F factors."""

    def __init__(self, num_parameters: int, num_coordinates: int) -> None:
        super().__init__()
        # Near zero, where the loss is smooth: large generators turn each augmentation many times
        # around. Not zero: the factors would get equal gradients and stay equal. And no nn.Linear,
        # which warns where the algebra of a discrete group has dimension 0.
        self.weight = nn.Parameter(0.01 * torch.randn(num_coordinates, num_parameters))

    def forward(self, theta: Tensor) -> Tensor:
        theta, weight = at_least(torch.float32, theta, self.weight)
        return theta @ weight.mT
