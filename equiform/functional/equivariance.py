"""The pairwise equivariance loss."""

from __future__ import annotations

import functools
import warnings
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from equiform._options import check_choice, check_count, check_flag, check_number
from equiform._points import at_least, check_one_device, check_points, real_dtype, squared_modulus
from equiform.forms import EuclideanForm, Form
from equiform.functional._arguments import CarriesForm, check_manifold, form_of
from equiform.functional._scale import rescaled
from equiform.functional.orientation import orientation_gap
from equiform.ops import gram_difference
from equiform.ops.distributed import rows_of_ranks, sum_over_ranks, together, unagreed, world_size
from equiform.ops.gram_difference import Backend, linked_difference

#: The scale of the loss; see :func:`pairwise_equivariance`.
Normalization = Literal["pairs", "care", "relative"]
#: What becomes of the values of chunks.
Reduction = Literal["mean", "sum", "none"]
#: What of each product is compared: itself, or log cosh of the hyperbolic angle that it encodes.
Link = Literal["product", "log_cosh"]


def pairwise_equivariance(
    z1: Tensor,
    z2: Tensor,
    form: Form | None = None,
    *,
    manifold: CarriesForm | None = None,
    num_chunks: int = 1,
    normalization: Normalization = "pairs",
    center: bool = False,
    link: Link = "product",
    reduction: Reduction = "mean",
    backend: Backend = "auto",
    gather_distributed: bool = False,
    orientation: float = 0.0,
) -> Tensor:
    r"""Mean squared difference of all pairwise products before and after a transformation.

    .. math:: \frac{1}{n^2} \sum_{ij} |\langle z^1_i, z^1_j\rangle - \langle z^2_i, z^2_j\rangle|^2

    It is zero exactly when the Gram matrices agree (with ``"care"``, off their diagonals, which is
    the same where the manifold or a skew form fixes :math:`\langle z, z\rangle`). One isometry T
    then carries ``z1`` to ``z2``: always for Euclidean and Hermitian forms and on the hyperboloid,
    otherwise where both spans are nondegenerate, and of a joint form where
    :meth:`~equiform.IsometryGroup.extend` says (Gupta et al., ICLR 2024, eq. 1 and Proposition 4,
    for the Euclidean form).

    Args:
        z1, z2: embeddings of the two views, shape ``(n, d)``, or ``(c, n, d)`` for c chunks.
        form: the product to preserve; that of ``manifold``, else Euclidean, unless given.
        manifold: where the embeddings live; gives the form.
        num_chunks: split ``(n, d)`` views into this many consecutive chunks, each with a
            transformation of its own; pairs never cross chunks. A chunk should have more points
            than the d(d - 1)/2 parameters of T divided by its (n - 1)/2 equations a point: n > d.
        normalization: ``"pairs"``, the paper's expectation: the mean over all n² ordered pairs of
            a chunk; ``"care"``, the released code: :math:`2\,\mathrm{mean}_i \sum_{j \ne i}`,
            which for unit vectors is 2n times the former; ``"relative"``, the sum over
            :math:`\lVert G_1\rVert^2 + \lVert G_2\rVert^2`, in [0, 2], for forms that are not
            definite: the others have a minimum at scale 0 and on isotropic subspaces. It is 0
            where both Grams vanish, and computed in float64. A weight λ belongs to one of them.
        center: take each chunk's mean off first: the action may then be affine, T z + c.
        link: ``"product"`` compares the products; ``"log_cosh"``, on the hyperboloid, log cosh of
            the distances d/√k that they encode, so that far pairs do not outweigh the others.
        reduction: ``"mean"``, ``"sum"`` or ``"none"`` over chunks.
        backend: see :func:`equiform.ops.gram_difference`; a link has ``"gram"`` and
            ``"reference"``.
        gather_distributed: let pairs run over the rows of all ranks, chunk by chunk, with the
            gradient that DistributedDataParallel averages to that of one process on the whole
            batch. n is then the number of rows of all ranks. Differentiable once.
        orientation: weight of :func:`orientation_gap`, added chunk by chunk: asks for a rotation,
            SO(d), where the products alone allow reflections as well. Euclidean form only.

    Returns:
        A scalar, or shape ``(c,)`` with ``reduction="none"``, in the real dtype of the embeddings,
        at least float32.

    Raises:
        TypeError, ValueError: the form cannot take the embeddings, they do not divide into chunks,
            or an option is unknown or does not go with another.
    """
    if gather_distributed is True and unagreed():
        return together(pairwise_equivariance, **locals())
    if manifold is not None or not isinstance(form, Form):
        form = form_of(form, manifold)
    options = num_chunks, normalization, center, link, reduction, backend, orientation
    # No graph looks into a cache.
    check = check_options if torch.compiler.is_compiling() else _check_options_once
    try:
        check(*options, gather_distributed)
    except TypeError:  # of the cache too, which an option that has no hash does not get into
        check_options(*options, gather_distributed)
    if link != "product" or orientation:
        check_geometry(form, manifold, link, orientation)
    z1, z2 = split_chunks(z1, z2, num_chunks, gathered=gather_distributed)
    n = z1.shape[-2]
    if gather_distributed and world_size() > 1:
        n = sum(rows_of_ranks(n))
    if n == 1 and not torch.compiler.is_compiling():
        warnings.warn(
            "chunks of one point have no pairs to compare: on a manifold any two views meet the "
            "loss; use fewer chunks, of more points than dimensions",
            stacklevel=2,
        )
    if normalization == "relative" and not gather_distributed:
        # A common factor changes nothing, and on a common scale nothing overflows; but ranks would
        # have to agree on it.
        form.check_embedding(z1)
        form.check_embedding(z2)
        z1, z2 = rescaled(*at_least(torch.float32, z1, z2))
    if center:
        z1, z2 = (_centred(z, form, n, gather_distributed) for z in (z1, z2))
    pairs: dict[str, Any] = {
        "exclude_diagonal": normalization == "care",
        "backend": backend,
        "gather_distributed": gather_distributed,
    }
    if normalization == "relative":
        loss = _relative_difference(z1, z2, form, pairs)
    else:
        if link == "product":
            loss = gram_difference(z1, z2, form, **pairs)
        else:
            check_points(z1=z1, z2=z2, real=True, empty=True)
            loss = linked_difference(z1, z2, manifold.log_cosh_products, **pairs)  # type: ignore[union-attr]
        loss = loss * (1 / n**2 if normalization == "pairs" else 2 / n)
    if orientation:
        gap = orientation_gap(z1, z2, gather_distributed=gather_distributed)
        loss = loss + orientation * gap
    return reduce_chunks(loss, reduction)


def check_options(
    num_chunks: int,
    normalization: str,
    center: bool,
    link: str,
    reduction: str,
    backend: str,
    orientation: float,
    gather_distributed: bool,
) -> None:
    """Raise TypeError or ValueError unless the options of the loss are what they can be."""
    check_count("num_chunks", num_chunks)
    check_choice("normalization", normalization, get_args(Normalization))
    check_flag("center", center)
    check_choice("link", link, get_args(Link))
    check_choice("reduction", reduction, get_args(Reduction))
    check_choice("backend", backend, get_args(Backend))
    check_number("orientation", orientation)
    check_flag("gather_distributed", gather_distributed)
    if link != "product":
        if center or normalization == "relative":
            raise ValueError(
                f"link={link!r} compares distances of points as they lie on their manifold; use "
                "center=False and normalization='pairs' or 'care'"
            )
        check_choice(f"backend with link={link!r}", backend, ("auto", "gram", "reference"))


_check_options_once = functools.lru_cache(maxsize=256, typed=True)(check_options)


def check_geometry(form: Form, manifold: object, link: str, orientation: float) -> None:
    """Raise unless form and manifold have what a link and an orientation term need."""
    if orientation and form != EuclideanForm():
        raise ValueError(
            f"orientation={orientation} needs EuclideanForm(), got {form}; leave it at 0"
        )
    if link != "product":
        if manifold is None:
            raise ValueError(f"link={link!r} needs manifold=Hyperboloid(), got None")
        check_manifold(manifold, "log_cosh_products")


def split_chunks(
    z1: Tensor, z2: Tensor, num_chunks: int, *, gathered: bool = False
) -> tuple[Tensor, Tensor]:
    """``(n, d) -> (num_chunks, n / num_chunks, d)``; ``(c, n, d)`` views are chunked already.

    Where views are ``gathered`` from several ranks, one rank may have none.
    """
    if not (isinstance(z1, Tensor) and isinstance(z2, Tensor)):
        raise TypeError(
            "z1 and z2 must be views as tensors, got "
            f"{type(z1).__name__} and {type(z2).__name__}; use torch.as_tensor"
        )
    sizes = z1.shape[:-2] + z1.shape[-1:] if gathered and world_size() > 1 else z1.shape
    if z1.shape != z2.shape or z1.ndim not in (2, 3) or 0 in sizes:
        raise ValueError(
            "z1 and z2 must be views of one non-empty shape (n, d), or (c, n, d) for c chunks, "
            f"got {tuple(z1.shape)} and {tuple(z2.shape)}"
        )
    if z1.device != z2.device:
        check_one_device(z1=z1, z2=z2)
    if z1.ndim == 3:
        if num_chunks not in (1, len(z1)):
            raise ValueError(f"{len(z1)} chunks of shape {tuple(z1.shape)} with {num_chunks=}")
        return z1, z2
    if len(z1) % num_chunks:
        raise ValueError(
            f"a batch of {len(z1)} does not divide into num_chunks={num_chunks}; "
            "drop the last batch (DataLoader(drop_last=True)) or choose a divisor"
        )
    # Not unflatten, which is written in Python.
    chunks = num_chunks, len(z1) // num_chunks, z1.shape[1]
    return z1.view(chunks), z2.view(chunks)


def reduce_chunks(loss: Tensor, reduction: Reduction) -> Tensor:
    """Values of chunks, ``(c,)``, to their mean or sum, or as they are."""
    return loss.mean() if reduction == "mean" else loss.sum() if reduction == "sum" else loss


def _centred(z: Tensor, form: Form, n: int, gather_distributed: bool) -> Tensor:
    """The points less the mean of their chunk."""
    form.check_embedding(z)
    (z,) = at_least(torch.float32, z)
    total = z.sum(-2, keepdim=True)
    if gather_distributed:
        # Each rank takes it off rows of its own.
        total = sum_over_ranks(total, replicated=False)
    return z - total / n


def _relative_difference(z1: Tensor, z2: Tensor, form: Form, pairs: dict[str, Any]) -> Tensor:
    """Squared change of the Grams over their squared size, 0 where there is no size.

    In double precision, for fourth powers of embeddings leave the range of the others soon.
    """
    form.check_embedding(z1)
    form.check_embedding(z2)
    dtype = real_dtype(z1, z2)
    z1, z2 = at_least(torch.float64, z1, z2)
    change = gram_difference(z1, z2, form, **pairs)
    both = torch.stack([z1, z2])
    # Against nothing the difference is the square of a Gram matrix itself.
    size = gram_difference(both, torch.zeros_like(both), form, **pairs).sum(0)
    energy = squared_modulus(form.coordinates(both.detach())).sum((0, -2, -1))
    if pairs["gather_distributed"]:
        energy = sum_over_ranks(energy)
    # Products below the rounding of the embeddings are those of an isotropic subspace.
    none = (size <= (10 * torch.finfo(dtype).eps * energy).square()) & energy.isfinite()
    return torch.where(none, 0, change / size.where(~none, 1)).to(dtype)
