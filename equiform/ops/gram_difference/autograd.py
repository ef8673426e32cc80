"""The op as torch knows it: registered, differentiable twice and more, batched, compilable."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch._C._functorch import maybe_current_level
from torch.autograd import forward_ad

from equiform.forms.signed_permutation import SignedPermutation
from equiform.ops.gram_difference.problem import Problem
from equiform.ops.gram_difference.routes import CROSSOVERS, ROUTES, choose
from equiform.ops.overflow import infinite_overflow


def _forward(
    a: Tensor,
    b: Tensor,
    index: Tensor | None,
    sign: Tensor | None,
    symmetry: int,
    mask: Tensor | None,
    exclude_diagonal: bool,
    route: str,
    need_grad: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Loss of each chunk and the gradients of the sum, by the named route, or ``"auto"``."""
    # Here, not before the op: torch.compile need not see what the choice depends on.
    if route == "auto":
        euclidean = index is None and sign is None
        sizes = a.shape[-2:]
        route = choose(*sizes, a.device, a.dtype, mask is not None, euclidean, CROSSOVERS.measured)
    j = SignedPermutation(index, sign, symmetry)
    loss, grad_a, grad_b = ROUTES[route](Problem(a, b, j, mask, exclude_diagonal, need_grad))
    # A GPU would wait for the answer. The quickest way to ask a CPU is by its numbers.
    if loss.is_cuda or math.isnan(sum(loss.tolist())):
        loss = infinite_overflow(loss, a, b)
    return loss, grad_a, grad_b


def _fake(a: Tensor, b: Tensor, *options: Any) -> tuple[Tensor, Tensor, Tensor]:
    *_, need_grad = options
    shape = a.shape if need_grad else (0,)
    return a.new_empty(a.shape[0]), a.new_empty(shape), b.new_empty(shape)


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    a, b, index, sign, ctx.symmetry, mask, ctx.exclude_diagonal, _, _ = inputs
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(a, b, *output[1:], index, sign, mask)
    if forward_ad._current_level >= 0:  # pyright: ignore[reportPrivateUsage] # there may be tangents
        ctx.save_for_forward(a, b, *output[1:], index, sign, mask)


def _backward(ctx: Any, g: Tensor | None, u: Tensor | None, v: Tensor | None) -> Any:
    # The gradients are outputs of the op, so the first derivative is one scale of a saved tensor,
    # and differentiating that again comes back here with cotangents u, v of those outputs: the
    # second derivative is the Hessian times (u, v).
    a, b, grad_a, grad_b, index, sign, mask = ctx.saved_tensors
    da = db = None
    if g is not None:
        da, db = g[:, None, None] * grad_a, g[:, None, None] * grad_b
    if u is not None or v is not None:
        j = SignedPermutation(index, sign, ctx.symmetry)
        u = torch.zeros_like(a) if u is None else u
        v = torch.zeros_like(b) if v is None else v
        ha, hb = _hessian_product(Problem(a, b, j, mask, ctx.exclude_diagonal), u, v)
        da, db = (ha, hb) if da is None or db is None else (da + ha, db + hb)
    return da, db, None, None, None, None, None, None, None


def _jvp(ctx: Any, u: Tensor | None, v: Tensor | None, *_: Any) -> tuple[Tensor, Tensor, Tensor]:
    # Of the loss the gradients' products with the tangents; of the gradients the Hessian's.
    a, b, grad_a, grad_b, index, sign, mask = ctx.saved_tensors
    u = torch.zeros_like(a) if u is None else u
    v = torch.zeros_like(b) if v is None else v
    j = SignedPermutation(index, sign, ctx.symmetry)
    change = (grad_a * u + grad_b * v).sum((-2, -1))
    return change, *_hessian_product(Problem(a, b, j, mask, ctx.exclude_diagonal), u, v)


def _vmap(
    info: Any,
    in_dims: tuple[Any, ...],
    a: Tensor,
    b: Tensor,
    index: Tensor | None,
    sign: Tensor | None,
    symmetry: int,
    mask: Tensor | None,
    *flags: Any,
) -> Any:
    # A batch of calls is one call with more chunks.
    size = info.batch_size

    def batched(x: Tensor, dim: int | None) -> Tensor:
        return x.expand(size, *x.shape) if dim is None else x.movedim(dim, 0)

    a, b = batched(a, in_dims[0]), batched(b, in_dims[1])
    c = a.shape[1]
    if mask is not None:
        mask = batched(mask, in_dims[5])
        mask = mask if mask.ndim == 4 else mask[:, None]
        mask = mask.expand(size, c, *mask.shape[-2:]).flatten(0, 1)
    results = call(a.flatten(0, 1), b.flatten(0, 1), index, sign, symmetry, mask, *flags)
    split = [x.unflatten(0, (size, c)) if x.numel() else x.expand(size, 0) for x in results]
    return tuple(split), (0, 0, 0)


def _hessian_product(problem: Problem, u: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    r"""Hessian of the summed losses times (u, v), from differentiable torch operations, in float64.

    Along (u, v) the difference changes by D' = U J A^t + A J U^t - V J B^t - B J V^t, so ∇A =
    4ε (S∘D) A J changes by 4ε [(S∘D') A J + (S∘D) U J], and likewise for B with the other sign.
    Without a mask the products are taken from the right and nothing n×n is made.
    """
    a, b, j, mask, exclude_diagonal, _ = problem
    dtype = a.dtype
    a, b, u, v = a.double(), b.double(), u.double(), v.double()
    aj, bj, uj, vj = map(j.apply, (a, b, u, v))
    difference = [(aj, a, 1), (bj, b, -1)]
    change = [(uj, a, 1), (aj, u, 1), (vj, b, -1), (bj, v, -1)]

    def times(terms: list[tuple[Tensor, Tensor, int]], x: Tensor) -> Tensor:
        """(S∘Σ ± L R^t) x."""
        if mask is None:
            product = sum(sign * (left @ (right.mT @ x)) for left, right, sign in terms)
            if exclude_diagonal:
                diagonal = sum(sign * (left * right).sum(-1) for left, right, sign in terms)
                product = product - torch.as_tensor(diagonal)[..., None] * x
            return torch.as_tensor(product)
        kept = (mask.double() + mask.mT.double()) / 2
        if exclude_diagonal:
            kept = kept * (1 - torch.eye(kept.shape[-1], dtype=kept.dtype, device=kept.device))
        dense = sum(sign * (left @ right.mT) for left, right, sign in terms)
        return (kept * dense) @ x

    scale = 4 * j.symmetry
    ha = scale * (times(change, aj) + times(difference, uj))
    hb = -scale * (times(change, bj) + times(difference, vj))
    return ha.to(dtype), hb.to(dtype)


class _GramDifference(torch.autograd.Function):
    """The op outside torch.compile; the registered one imports the compiler on its first call."""

    forward = staticmethod(_forward)
    setup_context = staticmethod(_setup_context)
    backward = staticmethod(_backward)  # type: ignore[assignment]
    jvp = staticmethod(_jvp)  # type: ignore[assignment]
    vmap = staticmethod(_vmap)


#: The op that torch.compile sees.
registered = torch.library.custom_op("equiform::gram_difference", _forward, mutates_args=())
registered.register_fake(_fake)
registered.register_autograd(_backward, setup_context=_setup_context)
registered.register_vmap(_vmap)

#: ``apply`` less what torch.func alone needs of it, and a step on small chunks has no time for: the
#: signature of ``forward``, worked out again on every call, and a search for wrapped arguments.
_apply = super(torch.autograd.Function, _GramDifference).apply  # pyright: ignore[reportAttributeAccessIssue]


def call(*args: Any) -> tuple[Tensor, Tensor, Tensor]:
    """Loss and gradients, by the registered op under torch.compile and directly elsewhere."""
    if torch.compiler.is_compiling():
        return registered(*args)
    if maybe_current_level() is not None:
        return _GramDifference.apply(*args)
    need_grad = args[-1]
    return _apply(*args) if need_grad else _forward(*args)  # autograd would have nothing to do
