"""CARE over the global batch of several processes, by DistributedDataParallel.

    torchrun --nproc-per-node 2 examples/distributed_care.py     # CPUs by gloo, GPUs by NCCL
    python examples/distributed_care.py                          # the same numbers, in one process

Each process holds its share of every batch and ``gather_distributed=True`` lets pairs run over all
shares. The loss and the gradients are those of one process on the whole batch, so λ and the
learning rate mean the same on any number of GPUs, and both commands print the same losses, up to
rounding.
"""

from __future__ import annotations

import os
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from equiform import CARELoss, InfoNCELoss, PairwiseEquivarianceLoss, SpecialOrthogonal, Sphere

BATCH, STEPS = 256, 100


def views(step: int) -> tuple[Tensor, Tensor, Tensor]:
    """Points of the whole batch, the same slightly moved, and the same under one rotation."""
    generator = torch.Generator().manual_seed(step)
    x = torch.randn(BATCH, 3, dtype=torch.float64, generator=generator)
    moved = x + 0.05 * torch.randn(BATCH, 3, dtype=torch.float64, generator=generator)
    rotation = SpecialOrthogonal(3).sample(generator=generator, dtype=torch.float64)
    return x, moved, x @ rotation.mT


def main() -> None:
    """Train a small network and print the loss as it falls."""
    distributed = "RANK" in os.environ  # set by torchrun
    cuda = torch.cuda.is_available()
    if distributed:
        # A rank that dies ends the others, at the latest after this time.
        dist.init_process_group("nccl" if cuda else "gloo", timeout=timedelta(minutes=2))
    rank = dist.get_rank() if distributed else 0
    ranks = dist.get_world_size() if distributed else 1
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0"))) if cuda else "cpu"

    torch.manual_seed(0)
    encoder: nn.Module = nn.Sequential(nn.Linear(3, 64), nn.SiLU(), nn.Linear(64, 8))
    encoder = encoder.to(device, torch.float64)
    if distributed:
        encoder = DistributedDataParallel(encoder)
    loss = CARELoss(
        InfoNCELoss(0.5, gather_distributed=True),
        PairwiseEquivarianceLoss(gather_distributed=True),
        weight=10.0,
    )
    optimizer = torch.optim.Adam(encoder.parameters(), lr=1e-2)
    for step in range(STEPS + 1):
        # Shares may be uneven: tensor_split gives the first ranks one row more.
        shares = [view.tensor_split(ranks)[rank].to(device) for view in views(step)]
        # One pass through the network: DistributedDataParallel allows one a step.
        z, z_moved, z_rotated = Sphere().project(encoder(torch.cat(shares))).chunk(3)
        terms = loss(z, z_moved, z, z_rotated)
        optimizer.zero_grad()
        terms.total.backward()
        optimizer.step()
        if rank == 0 and step % 20 == 0:
            print(
                f"step {step:3d}  contrastive {terms.contrastive.item():.9f}  "
                f"equivariance {terms.equivariance.item():.9f}"
            )
    if distributed:
        dist.destroy_process_group()


if __name__ == "__main__":
    main()
