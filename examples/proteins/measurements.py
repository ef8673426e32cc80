"""How an encoder of protein chains behaves under rotations."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from equiform.augment import reorient, rotate_chunks
from equiform.data import ProteinDataset
from equiform.forms import EuclideanForm
from equiform.functional.bootstrap import NUM_REPLICATES, percentile_interval
from equiform.metrics import WahbaError, equivariance_metrics
from equiform.probes import require_frozen
from proteins.axis import axis_errors, principal_axes
from proteins.chains import collate

NUM_ROTATIONS = 20
NUM_POSES = 8  # in which the axis probe sees each chain


@torch.no_grad()
def measure_rotations(
    encoder: nn.Module, train: ProteinDataset, test: ProteinDataset, *, seed: int
) -> dict[str, float]:
    """How a frozen encoder of chains behaves under rotations, on chains it was not trained on.

    The axis probe is fitted on ``train`` and measured on ``test``, in random poses. The metrics of
    equivariance compare ``test`` before and after each of 20 Haar-random rotations.

    Args:
        encoder: maps each batch that it is given to embeddings ``(num_clouds, d)``, and returns
            them in a tuple.
        train, test: chains.
        seed: of poses and rotations; encoders that are compared must share it.

    Returns:
        ``pc1_angle_deg_median`` with ``pc1_angle_deg_low`` and ``pc1_angle_deg_high``, its 95 %
        bootstrap interval over the test chains; ``pc1_mse``; those of
        :func:`equiform.metrics.equivariance_metrics`; and ``wahba_null``: what ``wahba`` is where
        there is no equivariance, since the pairs were shuffled.

    Raises:
        RuntimeError: the encoder is not in eval mode.
    """
    require_frozen(encoder)
    generator = torch.Generator().manual_seed(seed)

    def poses(chains: ProteinDataset) -> tuple[Tensor, Tensor]:
        whole = collate(chains)
        posed = [reorient(whole, generator=generator) for _ in range(NUM_POSES)]
        # One at a time: the activations of all of them take gigabytes.
        z = torch.cat([encoder(batch)[0] for batch in posed])
        return z, torch.cat([principal_axes(batch) for batch in posed])

    angles, squares = axis_errors(*poses(train), *poses(test))
    low, high = _interval_of_median(angles.view(NUM_POSES, -1).mT)
    start = reorient(collate(test), generator=generator)
    (source,) = encoder(start)
    metrics = equivariance_metrics(source.shape[-1])
    null = WahbaError(EuclideanForm().isometry_group(source.shape[-1]))
    for _ in range(NUM_ROTATIONS):
        turned, _ = rotate_chunks(start, num_chunks=1, generator=generator)
        (target,) = encoder(turned)
        metrics.update(source, target)
        null.update(source, target[torch.randperm(len(target), generator=generator)])
    return {
        "pc1_angle_deg_median": angles.median().item(),
        "pc1_angle_deg_low": low,
        "pc1_angle_deg_high": high,
        "pc1_mse": squares.mean().item(),
        **{name: float(value) for name, value in metrics.compute().items()},
        "wahba_null": float(null.compute()),
    }


def _interval_of_median(angles: Tensor) -> tuple[float, float]:
    """95 % bootstrap interval of the median of ``(chains, poses)`` angles, the same each time."""
    chains = len(angles)
    generator = torch.Generator().manual_seed(0)
    # Chains are drawn, each with all its poses: the poses of a chain err alike.
    draws = torch.randint(chains, (NUM_REPLICATES, chains), generator=generator)
    low, high = percentile_interval(torch.stack([angles[draw].median() for draw in draws]), 0.95)
    return low.item(), high.item()
