"""InfoNCE against a queue of earlier embeddings, as in MoCo."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from equiform._options import check_number
from equiform._points import at_least, check_points
from equiform._precision import full_precision
from equiform.functional._arguments import SupportsSimilarity, check_manifold


@full_precision
def momentum_contrast(
    query: Tensor,
    key: Tensor,
    queue: Tensor,
    temperature: float = 0.2,
    *,
    manifold: SupportsSimilarity | None = None,
) -> Tensor:
    r"""Each query is to find its key among the embeddings of a queue.

    .. math:: \frac{1}{n} \sum_i
              \Big[\log\Big(e^{s(q_i, k_i)/τ} + \sum_j e^{s(q_i, u_j)/τ}\Big) - s(q_i, k_i)/τ\Big]

    It is differentiable in all embeddings. MoCo holds keys and queue fixed, which those of an
    :class:`equiform.nn.MomentumEncoder` are. Memory is that of the nm logits. Where these overflow,
    for embeddings longer than 1e19 in float32, the loss is infinite.

    Args:
        query: q, of the encoder, real, shape ``(n, d)``.
        key: k, the other views of the same inputs, shape ``(n, d)``.
        queue: u, the negatives, shape ``(m, d)``; with none the loss is 0.
        temperature: τ, positive.
        manifold: scores the pairs; inner products unless given.

    Returns:
        A scalar, in the common precision of all embeddings, at least float32. Averaged over ranks
        of equal n it is that of the global batch.

    Source: He et al., CVPR 2020, eq. 1; the default τ of Chen et al., "Improved Baselines with
    Momentum Contrastive Learning", 2020.
    """
    check_points("(n, d)", real=True, query=query, key=key)
    check_points("(n, d)", real=True, empty=True, queue=queue)
    if queue.shape[1] != query.shape[1]:
        raise ValueError(
            f"momentum_contrast needs query and key (n, d) and queue (m, d), "
            f"got {tuple(query.shape)} and {tuple(queue.shape)}"
        )
    if queue.device != query.device:
        where = f"{query.device} and {queue.device}; use queue.to({str(query.device)!r})"
        raise ValueError(f"query and queue must be on one device, got {where}")
    check_number("temperature", temperature, positive=True)
    check_manifold(manifold, "similarity")
    query, key, queue = at_least(torch.float32, query, key, queue)
    if manifold is None:
        positives, negatives = (query * key).sum(-1), query @ queue.mT
    else:
        positives = manifold.similarity(query.unsqueeze(1), key.unsqueeze(1)).flatten()
        negatives = manifold.similarity(query, queue)
    if len(queue):
        # log(e^p + e^n) - p = -log sigmoid(p - n), exact to its last digits where it is small.
        negatives = (negatives / temperature).logsumexp(-1)
        loss = -logsigmoid(positives / temperature - negatives).mean()
    else:
        loss = (0 * query).sum()
    # A difference of two infinite logits says nothing, but that they are.
    loss = torch.where(loss.isnan(), torch.inf, loss)
    finite = query.isfinite().all() & key.isfinite().all() & queue.isfinite().all()
    return torch.where(finite, loss, torch.nan)
