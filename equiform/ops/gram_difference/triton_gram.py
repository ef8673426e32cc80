"""The Triton route of the Gram difference: which kernel runs, with which parameters."""

from torch import Tensor

from equiform.ops.gram_difference.signed_permutation import SignedPermutation
from equiform.ops.gram_difference.triton_config import LAUNCH, Configs
from equiform.ops.gram_difference.triton_forward import forward
from equiform.ops.gram_difference.triton_fused import fused
from equiform.ops.gram_difference.triton_small import MAX_POINTS, small


def triton_gram(
    a: Tensor,
    b: Tensor,
    j: SignedPermutation,
    *,
    exclude_diagonal: bool,
    mask: Tensor | None,
    need_grad: bool,
    config: Configs | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    r"""Sum of squared Gram differences of each chunk, and its gradients.

    .. math:: L_c = \sum_{ij} m_{ij} (a_i J a_j^t - b_i J b_j^t)^2

    Args:
        a, b: shape ``(c, n, d)``, float32 or float64, any strides; they are only read.
        j: the form, its sign in the dtype of ``a``.
        exclude_diagonal: leave out the pairs i = j.
        mask: the pairs to keep, bool, ``(n, n)`` or ``(c, n, n)``, symmetric or not; None for all.
        need_grad: whether to compute the gradients.
        config: launch parameters; the table's where None.

    Returns:
        The loss, shape ``(c,)``, and the gradients of ``loss.sum()`` with respect to a and b,
        contiguous, shape ``(c, n, d)``; shape ``(0,)`` unless ``need_grad``. All in the dtype of
        the inputs. The same bits every time.
    """
    config = config or LAUNCH.configs_for(a)
    if a.shape[1] <= MAX_POINTS:
        return small(
            a, b, j,
            exclude_diagonal=exclude_diagonal, mask=mask, need_grad=need_grad, config=config.small,
        )  # fmt: skip
    if need_grad:
        return fused(a, b, j, exclude_diagonal=exclude_diagonal, mask=mask, config=config.fused)
    loss = forward(a, b, j, exclude_diagonal=exclude_diagonal, mask=mask, config=config.forward)
    return loss, a.new_empty(0), a.new_empty(0)
