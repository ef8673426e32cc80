"""Contrastive losses over the global batch equal those of one process, gradients included."""

from functools import partial

import pytest
import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

from equiform import Hyperboloid, InfoNCELoss, UniformityLoss
from equiform.functional import info_nce, info_nce_terms, uniformity
from equiform.ops.distributed import gather_rows, gather_uneven, sum_over_ranks, world_size
from tests.distributed.ranks import on_ranks

#: Pairs of each rank, by world size; ten in all.
SHARDS = {1: [10], 2: [7, 3], 4: [3, 0, 5, 2]}
TIGHT = {"rtol": 1e-12, "atol": 1e-12}


def sum_of_terms(*views, **options):
    return torch.stack(info_nce_terms(*views, **options)).sum()


def batch():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, 10, 4, dtype=torch.float64, generator=generator)


def own(z):
    """This rank's shard of the rows of all."""
    return z.split(SHARDS[world_size()])[dist.get_rank()]


def check_losses():
    for loss in (info_nce, sum_of_terms, uniformity):
        for backend in ("auto", "reference"):
            for hyperbolic in (False, True):
                check_loss(partial(loss, backend=backend), hyperbolic)


def check_loss(loss, hyperbolic):
    """Value, the gradient of the own rows, and of the curvature as DDP would average it."""
    k = torch.tensor(1.3, dtype=torch.float64)
    manifold = Hyperboloid(k, learnable=True) if hyperbolic else None
    lift = manifold.project if manifold else torch.clone
    whole = [z.requires_grad_() for z in batch()]
    expected = loss(*map(lift, whole), manifold=manifold)
    expected.backward()
    shards = [own(z.detach()).requires_grad_() for z in whole]
    of_one_process = manifold.k.grad if manifold else None
    if manifold:
        manifold.k.grad = None
    got = loss(*map(lift, shards), manifold=manifold, gather_distributed=True)
    got.backward()
    torch.testing.assert_close(got, expected, **TIGHT)
    for shard, z in zip(shards, whole, strict=True):
        torch.testing.assert_close(shard.grad, world_size() * own(z.grad), **TIGHT)
    if manifold:
        dist.all_reduce(manifold.k.grad)
        torch.testing.assert_close(manifold.k.grad / world_size(), of_one_process, **TIGHT)


def check_parameters_under_ddp():
    for loss in (
        InfoNCELoss(0.2, gather_distributed=True),
        UniformityLoss(gather_distributed=True),
    ):
        torch.manual_seed(0)
        encoder = torch.nn.Sequential(
            torch.nn.Linear(4, 5), torch.nn.Tanh(), torch.nn.Linear(5, 3)
        ).double()
        replica = DistributedDataParallel(encoder)
        loss(*replica(torch.stack([own(z) for z in batch()]))).backward()
        averaged = [p.grad.clone() for p in encoder.parameters()]
        encoder.zero_grad()
        loss.gather_distributed = False
        loss(*encoder(batch())).backward()
        torch.testing.assert_close(averaged, [p.grad for p in encoder.parameters()], **TIGHT)


def check_collectives():
    z = batch()[0]
    rows, mine = gather_uneven(own(z))
    assert torch.equal(rows, z)
    assert torch.equal(rows[mine.start : mine.stop], own(z))
    # Each rank weighs the rows in its own way: the adjoint adds up what all of them want.
    shard = own(z).requires_grad_()
    rows, _ = gather_rows(shard)
    ((dist.get_rank() + 1) * rows.square().sum()).backward()
    ranks = world_size() * (world_size() + 1) / 2
    torch.testing.assert_close(shard.grad, 2 * ranks * own(z), **TIGHT)
    x = torch.tensor(float(dist.get_rank()), requires_grad=True)
    total = sum_over_ranks(x)
    total.backward()
    assert total == sum(range(world_size()))
    assert x.grad == world_size()


def check_a_second_derivative_is_refused():
    z = own(batch()[0]).requires_grad_()
    loss = uniformity(z, z, gather_distributed=True)
    (gradient,) = torch.autograd.grad(loss, z, create_graph=True)
    if world_size() > 1:
        with pytest.raises(RuntimeError, match="once_differentiable"):
            gradient.sum().backward()


def check_everything(rank, size):
    assert (rank, size) == (dist.get_rank(), world_size())
    check_losses()
    check_parameters_under_ddp()
    check_collectives()
    check_a_second_derivative_is_refused()


@pytest.mark.parametrize("size", [2, 4])
def test_ranks_agree_with_one_process(size, tmp_path):
    on_ranks(size, check_everything, tmp_path)


def test_a_group_of_one(tmp_path):
    store = f"file://{tmp_path / 'store'}"
    dist.init_process_group("gloo", init_method=store, rank=0, world_size=1)
    try:
        check_everything(0, 1)
    finally:
        dist.destroy_process_group()


def test_without_a_process_group_it_is_the_local_loss():
    z1, z2 = batch()
    for loss in (info_nce, uniformity, sum_of_terms):
        assert torch.equal(loss(z1, z2, gather_distributed=True), loss(z1, z2))
    assert world_size() == 1
    assert sum_over_ranks(z1) is z1
