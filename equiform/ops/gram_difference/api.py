"""The Gram-difference op as it is called: arguments checked, brought to what the routes take."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor
from torch.autograd import forward_ad

from equiform._options import check_choice, check_flag
from equiform._points import at_least, check_weights
from equiform.forms import Form
from equiform.forms._base import Product, check_form
from equiform.ops.distributed import gather_rows, rows_of_ranks, together, unagreed, world_size
from equiform.ops.gram_difference import reference
from equiform.ops.gram_difference.autograd import call
from equiform.ops.gram_difference.gathered import GatheredMoments
from equiform.ops.overflow import infinite_overflow

#: How a Gram difference is computed; see :func:`gram_difference`.
Backend = Literal["auto", "reference", "gram", "moments", "gauge", "triton"]
BACKENDS = get_args(Backend)


def gram_difference(
    a: Tensor,
    b: Tensor,
    form: Form,
    *,
    weights: Tensor | None = None,
    mask: Tensor | None = None,
    exclude_diagonal: bool = False,
    backend: Backend = "auto",
    gather_distributed: bool = False,
) -> Tensor:
    r"""Sum over pairs of the squared difference of two Gram matrices, chunk by chunk.

    .. math:: L_c = \sum_{ij} w_i w_j m_{ij} |\langle a_i, a_j\rangle - \langle b_i, b_j\rangle|^2

    Pairs never cross chunks. On a :class:`~equiform.Joint` form the sum runs over its members too.
    Differentiable any number of times; under ``torch.compile`` one opaque operator.

    Args:
        a, b: embeddings before and after the transformation, shape ``(..., n, d)``. Half precision
            is computed in float32.
        form: the product whose Gram matrices are compared.
        weights: of the points, nonnegative constants, shape ``(..., n)``.
        mask: of the pairs, bool, shape ``(n, n)`` or ``(..., n, n)``.
        exclude_diagonal: leave out the pairs i = j.
        backend: ``"auto"``, or the name of a route, which then computes or raises:

            * ``"gram"``: tiles of the n×n difference, O(n d) memory;
            * ``"triton"``: the same in fused kernels, on CUDA;
            * ``"moments"``: d×d moments in float64;
            * ``"gauge"``: d×d moments after alignment, where float64 is slow; Euclidean form only;
            * ``"reference"``: the n×n matrices themselves, the definition.
        gather_distributed: let pairs run over the rows of all ranks of the default process group,
            chunk by chunk; ranks may hold any n, and ``mask`` is then of the gathered rows.
            Every rank gets the global loss, and world size times the derivative in its own rows,
            so that DistributedDataParallel, which averages, ends at the derivative itself.

    Returns:
        Shape ``(...)``, one real number a chunk. It is 0 for n = 0, NaN where an embedding is, and
        infinite where it overflows: in float32 for norms beyond 1e9.

    Raises:
        ValueError: shapes differ, a weight is negative, ``backend`` is unknown or cannot do what is
            asked.
        TypeError: the form is none or cannot take the dtype, a flag is not True or False, or
            weights or mask are no tensors of theirs.
    """
    if gather_distributed is True and unagreed():
        return together(gram_difference, **locals())
    if not (
        type(exclude_diagonal) is type(gather_distributed) is bool
        and type(backend) is str
        and backend in BACKENDS
    ):
        check_flag("exclude_diagonal", exclude_diagonal)
        check_flag("gather_distributed", gather_distributed)
        check_choice("backend", backend, BACKENDS)
    check_form(form)
    if not (isinstance(a, Tensor) and isinstance(b, Tensor) and a.shape == b.shape and a.ndim > 1):
        got = [tuple(z.shape) if isinstance(z, Tensor) else type(z).__name__ for z in (a, b)]
        raise ValueError(
            "gram_difference compares embeddings of one shape (..., n, d), "
            f"got {got[0]} and {got[1]}"
        )
    if a.device != b.device:
        raise ValueError(f"embeddings must be on one device, got {a.device} and {b.device}")
    if a.dtype != b.dtype or a.dtype in (torch.float16, torch.bfloat16):
        form.check_embedding(a)
        form.check_embedding(b)
        a, b = at_least(torch.float32, a, b)
    if weights is not None:
        check_weights(weights, a)
        # √w_i √w_j <a_i, a_j> = <√w_i a_i, √w_j a_j>: weights are a scaling of the points.
        root = weights.detach().to(a.real.dtype).sqrt()[..., None]
        loss = gram_difference(
            a * root,
            b * root,
            form,
            mask=mask,
            exclude_diagonal=exclude_diagonal,
            backend=backend,
            gather_distributed=gather_distributed,
        )
        # NaN of other ranks stays NaN.
        return loss if gather_distributed else infinite_overflow(loss, a.detach(), b.detach(), root)
    if mask is not None:
        _check_mask(a, mask, gathered=gather_distributed)
    gather = gather_distributed and world_size() > 1
    if gather:
        sizes = rows_of_ranks(a.shape[-2])
        if mask is not None or backend not in ("auto", "moments"):
            # What moments cannot see, every rank computes on the rows of all.
            rows = (gather_rows(z.movedim(-2, 0), sizes, replicated=True)[0] for z in (a, b))
            a, b = (z.movedim(0, -2) for z in rows)
            gather = False
    options = mask, exclude_diagonal, backend, gather
    if not torch.is_autocast_enabled(a.device.type):
        return _sum_of_products(a, b, form.products(a), *options)
    with torch.autocast(a.device.type, enabled=False):
        return _sum_of_products(a, b, form.products(a), *options)


def _sum_of_products(
    a: Tensor,
    b: Tensor,
    products: tuple[Product, ...],
    mask: Tensor | None,
    exclude_diagonal: bool,
    backend: Backend,
    gather: bool,
) -> Tensor:
    *batch, n, _ = a.shape
    if mask is not None and mask.ndim > 2 and backend != "reference":
        mask = mask.expand(*batch, n, n).reshape(-1, n, n)
    losses = []
    for where, form, frame, permutations in products:
        x, y = (a, b) if len(products) == 1 else (a[..., where], b[..., where])
        if backend == "reference":
            losses.append(
                reference.gram_difference(x, y, form, mask=mask, exclude_diagonal=exclude_diagonal)
            )
            continue
        if frame is not None:
            # In double precision, which an ill-conditioned frame is worth.
            x, y = ((z.to(frame.dtype) @ frame).to(z.dtype) for z in (x, y))
        if len(permutations) > 1:
            x, y = (torch.cat([z.real, z.imag], dim=-1) for z in (x, y))
        # Not reshape: it would put a node into the graph even where (c, n, d) is what there is.
        if len(batch) != 1:
            x, y = (z.flatten(0, -3) if batch else z[None] for z in (x, y))
        need_grad = torch.is_grad_enabled() and (x.requires_grad or y.requires_grad)
        # There may be tangents.
        need_grad = need_grad or forward_ad._current_level >= 0  # pyright: ignore[reportPrivateUsage]
        for j in permutations:
            if gather:
                loss = GatheredMoments.apply(x, y, j, exclude_diagonal)
            else:
                loss = call(x, y, *j, mask, exclude_diagonal, backend, need_grad)[0]
            losses.append(loss if len(batch) == 1 else loss.reshape(batch))
    return sum(losses[1:], start=losses[0])


def _check_mask(a: Tensor, mask: Tensor, *, gathered: bool) -> None:
    if not isinstance(mask, Tensor) or mask.dtype != torch.bool:
        got = mask.dtype if isinstance(mask, Tensor) else repr(mask)
        raise TypeError(f"mask must be a tensor of bool, got {got}; use mask > 0")
    if mask.device != a.device:
        raise ValueError(f"mask must be on {a.device} as the embeddings, got it on {mask.device}")
    *batch, n, _ = a.shape
    n = mask.shape[-1] if gathered and mask.ndim else n
    if mask.shape not in ((n, n), (*batch, n, n)):
        raise ValueError(
            f"mask must have shape {(n, n)} or {(*batch, n, n)}, got {tuple(mask.shape)}"
        )
