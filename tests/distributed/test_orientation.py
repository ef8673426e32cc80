"""The orientation term over the batch of several ranks equals that of one process on all of it."""

import pytest
import torch

from equiform import PairwiseEquivarianceLoss
from equiform.functional import orientation_determinant
from equiform.losses import OrientationLoss
from tests.distributed.ranks import on_ranks

#: Rows of each rank, by world size.
SHARES = {1: [7], 2: [4, 3], 4: [3, 0, 3, 1]}
LOSSES = [
    PairwiseEquivarianceLoss(orientation=2.0, gather_distributed=True),
    OrientationLoss(gather_distributed=True),
    OrientationLoss(orientation_determinant, gather_distributed=True),
]


def batch():
    """Two chunks of 7 rows, and a noisy mirror image."""
    generator = torch.Generator().manual_seed(0)
    z, noise = torch.randn(2, 2, 7, 3, dtype=torch.float64, generator=generator)
    mirror = torch.tensor([-1.0, 1.0, 1.0], dtype=torch.float64)
    return z, z * mirror + 0.1 * noise


def losses_and_gradients(rank, size):
    results = []
    for loss in LOSSES:
        z1, z2 = (z.split(SHARES[size], 1)[rank].clone().requires_grad_() for z in batch())
        value = loss(z1, z2)
        results.append([value.detach(), *torch.autograd.grad(value, (z1, z2))])
    return results


@pytest.mark.parametrize("size", [2, 4])
def test_ranks_equal_one_process(size, tmp_path):
    alone = losses_and_gradients(0, 1)
    ranks = on_ranks(size, losses_and_gradients, tmp_path)
    exact = {"rtol": 1e-12, "atol": 1e-12}
    for case, (value, *gradients) in enumerate(alone):
        assert value > 0
        for rank in ranks:
            torch.testing.assert_close(rank[case][0], value, **exact)
        for k, whole in enumerate(gradients, start=1):
            # Each rank's gradient is world size times the derivative in its own rows.
            gathered = torch.cat([rank[case][k] for rank in ranks], dim=-2) / size
            torch.testing.assert_close(gathered, whole, **exact)
