"""Which route computes the Gram difference: the one place that decides."""

from torch import Tensor

from equiform.forms import Form, Joint
from equiform.ops.gram_difference import reference

#: Routes that can be asked for by name; "auto" chooses among them.
BACKENDS = {"reference": reference.gram_difference}


def gram_difference(
    a: Tensor, b: Tensor, form: Form, *, exclude_diagonal: bool = False, backend: str = "auto"
) -> Tensor:
    r"""Sum over pairs of the squared difference of two Gram matrices, chunk by chunk.

    .. math:: L_c = \sum_{ij} |\langle a_i, a_j\rangle - \langle b_i, b_j\rangle|^2

    Pairs never cross chunks. On a :class:`~equiform.Joint` form the sum runs over its members too.

    Args:
        a, b: embeddings before and after the transformation, shape ``(..., n, d)``.
        form: the product whose Gram matrices are compared.
        exclude_diagonal: leave out the pairs i = j.
        backend: ``"auto"``, or the name of a route, which then computes or raises.

    Returns:
        Shape ``(...)``, one real number a chunk.

    Raises:
        ValueError: shapes differ, or ``backend`` is unknown.
        TypeError: the form cannot take the dtype.
    """
    if a.shape != b.shape or a.ndim < 2:
        raise ValueError(
            "gram_difference compares embeddings of one shape (..., n, d), "
            f"got {tuple(a.shape)} and {tuple(b.shape)}"
        )
    if backend != "auto" and backend not in BACKENDS:
        raise ValueError(f"backend must be 'auto' or one of {sorted(BACKENDS)}, got {backend!r}")
    form.check_embedding(a)
    form.check_embedding(b)
    if isinstance(form, Joint):
        members = [
            gram_difference(
                a[..., s], b[..., s], f, exclude_diagonal=exclude_diagonal, backend=backend
            )
            for f, s in form.members
        ]
        return sum(members[1:], start=members[0])
    route = BACKENDS["reference" if backend == "auto" else backend]
    return route(a, b, form, exclude_diagonal=exclude_diagonal)
