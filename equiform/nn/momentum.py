"""Momentum contrast: an encoder that follows another slowly."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, Self

import geoopt
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from equiform._options import check_number


class MomentumEncoder(nn.Module):
    r"""A copy of an encoder that follows it, :math:`θ_k \leftarrow m θ_k + (1 - m) θ`.

    Buffers, such as the running statistics of batch norms, and integers are copied as they are.
    No gradient flows through it. A parameter on a manifold (``geoopt.ManifoldParameter``) takes
    the same share of the way along the geodesic to θ; where geoopt has none, as on Stiefel
    matrices, of the straight way, and is projected.

    In half precision the steps would round to nothing long before it arrives. The parameters are
    therefore the roundings of float32 numbers kept beside them, which ``.to(dtype)`` leaves alone
    and ``state_dict`` holds in their place: it has the keys, and loads the states, of the encoder
    in any precision. Where θ is not finite, neither is what follows it.

    Args:
        module: the encoder to begin with; it is copied, and not kept.
        momentum: m, in [0, 1]; 0.99 is usual. The attribute may be changed between updates.

    Source: He et al., "Momentum Contrast for Unsupervised Visual Representation Learning", CVPR
    2020, eq. 2.
    """

    def __init__(self, module: nn.Module, momentum: float = 0.99) -> None:
        super().__init__()
        _check_module(module)
        self.momentum = _check_momentum(momentum)
        self.module = copy.deepcopy(module).requires_grad_(False)
        self._masters: dict[str, Tensor] = {}  # what those of half precision are rounded from
        self.register_state_dict_post_hook(MomentumEncoder._save_masters)
        self.register_load_state_dict_pre_hook(MomentumEncoder._load_masters)

    @torch.no_grad()
    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the copy makes of its arguments."""
        return self.module(*args, **kwargs)

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        """Move a step towards the encoder; call it once after each step of the optimizer.

        Args:
            module: the encoder that this one was made from, or a wrapper of it.
        """
        _check_module(module)
        own, other = ([*m.parameters(), *m.buffers()] for m in (self.module, module))
        if [(x.shape, x.is_complex()) for x in own] != [(x.shape, x.is_complex()) for x in other]:
            raise ValueError(
                f"update needs the encoder that this {type(self).__name__} was made from, got a "
                f"{type(module).__name__} whose parameters or buffers have other shapes"
            )
        weight = 1 - _check_momentum(self.momentum)
        parameters = dict(self.module.named_parameters())
        for (name, x), target in zip(parameters.items(), module.parameters(), strict=True):
            master = self._master(name, x)
            if isinstance(x, geoopt.ManifoldTensor):
                master.copy_(_along(x.manifold, master, target.detach().to(master), weight))
            elif x.is_floating_point() or x.is_complex():
                master.lerp_(target.to(master), weight)
            else:
                master.copy_(target)
            if not _is_exact(x):
                x.copy_(master)
        for x, target in zip(self.module.buffers(), module.buffers(), strict=True):
            x.copy_(target)

    def _master(self, name: str, parameter: Tensor) -> Tensor:
        """A parameter with the digits that steps need: itself, or what it is rounded from."""
        kept = self._masters.pop(name, parameter)
        if _is_exact(parameter):
            return parameter.detach()
        kept = kept.to(parameter.device, torch.promote_types(parameter.dtype, torch.float32))
        # One that was set by other means since is where it was set to.
        same = kept.to(parameter.dtype) == parameter
        self._masters[name] = torch.where(same, kept, parameter)
        return self._masters[name]

    @torch.no_grad()
    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        before = {name: self._master(name, x) for name, x in self.module.named_parameters()}
        rounded = set(self._masters)
        super()._apply(fn, recurse)
        for name, x in self.module.named_parameters():
            if name in rounded or not _is_exact(x):
                moved = fn(before[name])
                master = moved if _is_exact(moved) else before[name].to(moved.device)
                x.copy_(master)
                self._masters[name] = master
        return self

    def _save_masters(self, state: dict[str, Any], prefix: str, _: Any) -> None:
        for name, x in self.module.named_parameters():
            if not _is_exact(x):
                state[f"{prefix}module.{name}"] = self._master(name, x)

    def _load_masters(self, state: dict[str, Any], prefix: str, *_: Any) -> None:
        for name, x in self.module.named_parameters():
            given = state.get(f"{prefix}module.{name}")
            if isinstance(given, Tensor) and given.shape == x.shape and not _is_exact(x):
                self._masters[name] = given.detach().clone()

    def extra_repr(self) -> str:
        """The momentum, for ``print(encoder)``."""
        return f"momentum={self.momentum}"


def _is_exact(x: Tensor) -> bool:
    """Whether a tensor has the digits of float32, or more; integers have all of theirs."""
    inexact = x.is_floating_point() or x.is_complex()
    return not inexact or torch.promote_types(x.dtype, torch.float32) == x.dtype


def _along(manifold: geoopt.Manifold, x: Tensor, target: Tensor, weight: float) -> Tensor:
    """The point at a share of the way from one to another."""
    finite = x.isfinite().all() & target.isfinite().all()
    try:
        # Half precision rounds points off it.
        x, target = manifold.projx(x), manifold.projx(target)
        try:
            moved = manifold.expmap(x, weight * manifold.logmap(x, target))
        except NotImplementedError:
            moved = x.lerp(target, weight)
        return torch.where(finite, manifold.projx(moved), torch.nan)
    except torch.linalg.LinAlgError:  # of matrices that hold NaN
        return torch.full_like(x, torch.nan)


def _check_momentum(momentum: float) -> float:
    momentum = check_number("momentum", momentum)
    if momentum > 1:
        raise ValueError(f"momentum must be in [0, 1], got {momentum}")
    return momentum


def _check_module(module: object) -> None:
    if not isinstance(module, nn.Module):
        raise TypeError(f"module must be a module such as nn.Linear(3, 2), got {module!r}")
    if any(is_lazy(x) for x in module.parameters()):
        raise ValueError(
            f"module must know its shapes: run a batch through it first, got {module!r}"
        )
