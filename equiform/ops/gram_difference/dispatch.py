"""The Gram-difference op as it is called: arguments checked, brought to what the routes take."""

from __future__ import annotations

import torch
from torch import Tensor

from equiform.forms import BilinearForm, Form, Joint
from equiform.ops.distributed import gather_rows, world_size
from equiform.ops.gram_difference import reference
from equiform.ops.gram_difference._op import call
from equiform.ops.gram_difference.gathered import GatheredMoments
from equiform.ops.gram_difference.routes import ROUTES
from equiform.ops.gram_difference.signed_permutation import lower


def gram_difference(
    a: Tensor,
    b: Tensor,
    form: Form,
    *,
    weights: Tensor | None = None,
    mask: Tensor | None = None,
    exclude_diagonal: bool = False,
    backend: str = "auto",
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
            chunk by chunk; ranks may hold different n, and ``mask`` is then of the gathered rows.
            Every rank gets the global loss, and world size times the derivative in its own rows,
            so that DistributedDataParallel, which averages, ends at the derivative itself.

    Returns:
        Shape ``(...)``, one real number a chunk. It is 0 for n = 0, and NaN where an embedding is;
        embeddings of norm up to 1e4 stay far from overflow in float32.

    Raises:
        ValueError: shapes differ, ``backend`` is unknown or cannot do what is asked.
        TypeError: the form cannot take the dtype.
    """
    if a.shape != b.shape or a.ndim < 2:
        raise ValueError(
            "gram_difference compares embeddings of one shape (..., n, d), "
            f"got {tuple(a.shape)} and {tuple(b.shape)}"
        )
    if backend not in ("auto", "reference", *ROUTES):
        raise ValueError(
            f"backend must be 'auto', 'reference' or one of {sorted(ROUTES)}, got {backend!r}"
        )
    form.check_embedding(a)
    if a.dtype != b.dtype or torch.finfo(a.dtype).bits < 32:
        form.check_embedding(b)
        dtype = torch.promote_types(torch.promote_types(a.dtype, b.dtype), torch.float32)
        a, b = a.to(dtype), b.to(dtype)
    if weights is not None:
        # √w_i √w_j <a_i, a_j> = <√w_i a_i, √w_j a_j>: weights are a scaling of the points.
        root = weights.detach().sqrt()[..., None]
        a, b = a * root, b * root
    gather = gather_distributed and world_size() > 1
    if gather and (mask is not None or backend not in ("auto", "moments")):
        # What moments cannot see, every rank computes on the rows of all.
        a, b = (gather_rows(z.movedim(-2, 0), replicated=True)[0].movedim(0, -2) for z in (a, b))
        gather = False
    if isinstance(form, Joint):
        losses = [
            _single_form(a[..., s], b[..., s], member, mask, exclude_diagonal, backend, gather)
            for member, s in form.members
        ]
        return torch.stack(losses).sum(0)
    return _single_form(a, b, form, mask, exclude_diagonal, backend, gather)


def _single_form(
    a: Tensor,
    b: Tensor,
    form: BilinearForm,
    mask: Tensor | None,
    exclude_diagonal: bool,
    backend: str,
    gather: bool,
) -> Tensor:
    if backend == "reference":
        return reference.gram_difference(a, b, form, mask=mask, exclude_diagonal=exclude_diagonal)
    *batch, n, d = a.shape
    parts = lower(form, d, a.real.dtype, a.device)
    if form.sesquilinear:
        a, b = (torch.cat([z.real, z.imag], dim=-1) for z in (a, b))
    # Not reshape: it would put a node into the graph even where (c, n, d) is what there is.
    a, b = (z.flatten(0, -3) if batch else z[None] for z in (a, b))
    if mask is not None:
        mask = mask.expand(*batch, n, n).reshape(-1, n, n) if mask.ndim > 2 else mask
    if gather:
        losses = [GatheredMoments.apply(a, b, j, exclude_diagonal) for j in parts]
        return sum(losses[1:], start=losses[0]).reshape(batch)
    need_grad = torch.is_grad_enabled() and (a.requires_grad or b.requires_grad)
    losses = [
        call(a, b, j.index, j.sign, j.symmetry, mask, exclude_diagonal, backend, need_grad)[0]
        for j in parts
    ]
    loss = sum(losses[1:], start=losses[0])
    return loss if len(batch) == 1 else loss.reshape(batch)
