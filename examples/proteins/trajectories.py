"""Trajectories: the path of an embedding while its input turns once around."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch_geometric.data import Data

from equiform.augment import CloudBatch
from equiform.data import ProteinDataset
from equiform.groups import SpecialOrthogonal
from proteins.chains import collate

Encoder = Callable[[CloudBatch], tuple[Tensor, ...]]
NUM_TRACED = 3  # chains whose trajectories are drawn


def turns(num_angles: int = 73) -> Tensor:
    """Rotations by 0 to 2π about the x, y and z axes.

    Returns:
        Shape ``(3, num_angles, 3, 3)``, float32, by axis and angle; matrices act on column vectors.
        The first and the last angle are the same rotation.

    Raises:
        ValueError: ``num_angles`` is under 2.
    """
    if num_angles < 2:
        raise ValueError(f"num_angles must be at least 2, got {num_angles}")
    angles = torch.linspace(0, 2 * math.pi, num_angles, dtype=torch.float64)
    # (L_k)_ij = -ε_kij generates the rotations about axis k.
    generators = torch.zeros(3, 3, 3, dtype=torch.float64)
    for k in range(3):
        generators[k, (k + 2) % 3, (k + 1) % 3] = 1
        generators[k, (k + 1) % 3, (k + 2) % 3] = -1
    return SpecialOrthogonal(3).exp(angles[:, None, None] * generators[:, None]).float()


@torch.no_grad()
def trace(encoder: Encoder, cloud: Tensor, rotations: Tensor) -> Tensor:
    """Embeddings of one cloud under many rotations.

    Args:
        encoder: maps each batch that it is given to its embeddings, and returns them in a tuple.
        cloud: points, shape ``(n, 3)``.
        rotations: shape ``(..., 3, 3)``.

    Returns:
        Shape ``(..., d)``.
    """
    turned = cloud @ rotations.flatten(0, -3).mT
    (z,) = encoder(collate(Data(pos=points) for points in turned))
    return z.unflatten(0, rotations.shape[:-2])


def project_to_plane(z: Tensor) -> Tensor:
    """The two leading principal components of all points together, ``(..., d) -> (..., 2)``.

    Their signs, which the components leave open, are such that the first point has none below 0.
    """
    centred = z - z.flatten(0, -2).mean(0)
    directions = torch.linalg.svd(centred.flatten(0, -2), full_matrices=False).Vh
    plane = centred @ directions[:2].mT
    return torch.where(plane.flatten(0, -2)[0] < 0, -plane, plane)


def trace_chains(encoder: Encoder, chains: ProteinDataset) -> Tensor:
    """Planar trajectories of the first chains as each turns once about three axes.

    Returns:
        ``(chains, 3, angles, 2)``, each path projected to its own plane.
    """
    rotations = turns()
    traced = [trace(encoder, chain.pos, rotations) for chain in list(chains)[:NUM_TRACED]]
    return torch.stack([torch.stack([project_to_plane(path) for path in z]) for z in traced])
