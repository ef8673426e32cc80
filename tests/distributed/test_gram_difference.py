"""The pairwise loss over the batch of several ranks equals that of one process on all of it."""

import pytest
import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from equiform import (
    EuclideanForm,
    HermitianForm,
    Joint,
    MinkowskiForm,
    PairwiseEquivarianceLoss,
    SymplecticForm,
)
from equiform.ops import gram_difference
from tests.distributed.ranks import on_ranks

D = 4
#: Rows of each rank, by world size.
SHARES = {1: [11], 2: [6, 5], 4: [4, 0, 5, 2]}
(N,) = SHARES[1]
_R4 = slice(0, D)
FORMS = {
    "euclidean": EuclideanForm(),
    "minkowski": MinkowskiForm(),
    "symplectic": SymplecticForm(),
    "hermitian": HermitianForm(),
    "joint": Joint([(EuclideanForm(), _R4), (SymplecticForm(), _R4)]),
}
CASES = [
    (name, {"normalization": normalization, "num_chunks": chunks, "center": center})
    for name in FORMS
    for normalization in ("pairs", "care", "relative")
    for chunks, center in ((1, False), (2, False), (2, True))
]


def batch(form, chunks):
    generator = torch.Generator().manual_seed(0)
    dtype = torch.complex128 if form.sesquilinear else torch.float64
    return torch.randn(2, chunks, N, D, dtype=dtype, generator=generator)


def losses_and_gradients(rank, size):
    """The share of one rank: for each case the loss and its gradients in the own rows."""
    results = []
    for name, options in CASES:
        form = FORMS[name]
        shares = [z.split(SHARES[size], 1)[rank] for z in batch(form, options["num_chunks"])]
        z1, z2 = (share.clone().requires_grad_() for share in shares)
        loss = PairwiseEquivarianceLoss(form, gather_distributed=True, **options)(z1, z2)
        results.append([loss.detach(), *torch.autograd.grad(loss, (z1, z2))])
    # What moments cannot see is computed on gathered rows.
    mask = torch.rand(N, N, generator=torch.Generator().manual_seed(1)) > 0.5
    for options in ({"mask": mask}, {"backend": "gram"}, {"backend": "reference"}):
        shares = [z[0].split(SHARES[size])[rank] for z in batch(EuclideanForm(), 1)]
        z1, z2 = (share.clone().requires_grad_() for share in shares)
        loss = gram_difference(z1, z2, EuclideanForm(), gather_distributed=True, **options)
        results.append([loss.detach(), *torch.autograd.grad(loss, (z1, z2))])
    results.append(parameter_gradients(rank, size))
    return results


def parameter_gradients(rank, size):
    """Gradients of a network under DistributedDataParallel, or alone."""
    torch.manual_seed(0)
    encoder = nn.Linear(3, D, dtype=torch.float64)
    model = DistributedDataParallel(encoder) if size > 1 else encoder
    x, y = torch.randn(2, N, 3, dtype=torch.float64).split(SHARES[size], 1)[rank]
    z1, z2 = model(torch.cat([x, y])).chunk(2)
    PairwiseEquivarianceLoss(gather_distributed=True)(z1, z2).backward()
    return [p.grad for p in encoder.parameters()]


@pytest.mark.parametrize("size", [2, 4])
def test_ranks_equal_one_process(size, tmp_path):
    (alone,) = [losses_and_gradients(0, 1)]
    ranks = on_ranks(size, losses_and_gradients, tmp_path)
    exact = {"rtol": 1e-12, "atol": 1e-12}
    for case, whole in enumerate(alone[:-1]):
        shares = [rank[case] for rank in ranks]
        for share in shares:
            torch.testing.assert_close(share[0], whole[0], **exact)
        for k in (1, 2):
            # Each rank's gradient is world size times the derivative in its own rows.
            gathered = torch.cat([share[k] for share in shares], dim=-2) / size
            torch.testing.assert_close(gathered, whole[k], **exact)
    for rank in ranks:
        torch.testing.assert_close(rank[-1], alone[-1], **exact)
