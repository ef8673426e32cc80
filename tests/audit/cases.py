"""An encoder that represents one transformation, ignores one and scrambles one."""

import dataclasses

import torch
from torch.utils.data import Dataset

from equiform import EuclideanForm
from equiform.audit import Report

D = 6
GENERATOR = torch.Generator().manual_seed(0)
TURN = EuclideanForm().isometry_group(D).sample(component=(-1,), generator=GENERATOR).double()
MIX = torch.randn(D + 2, D, generator=GENERATOR, dtype=torch.float64)


def encoder(x):
    """Embeddings are the first D coordinates; the last two are seen by none."""
    return x[:, :D]


def turn(x):
    return torch.cat([x[:, :D] @ TURN.mT, x[:, D:]], 1)


def unseen(x):
    return torch.cat([x[:, :D], -x[:, D:]], 1)


def scramble(x):
    return torch.cat([torch.sin(40 * x @ MIX), x[:, D:]], 1)


def blur(x):
    """The turn, and a disturbance that no T explains."""
    return torch.cat([turn(x)[:, :D] + 0.3 * torch.sin(40 * x @ MIX), x[:, D:]], 1)


TRANSFORMATIONS = {"turn": turn, "unseen": unseen, "scramble": scramble, "blur": blur}


def points(n=400, seed=1):
    return torch.randn(n, D + 2, generator=torch.Generator().manual_seed(seed)).double()


def halves(x, seed=0):
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
    return (x[half] for half in order.tensor_split(2))


class Labelled(Dataset):
    def __init__(self, x):
        self.x = x

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        return self.x[i], "no tensor", None


def numbers(result: Report) -> list[float]:
    """All numbers of a report, missing ones as -1."""
    found = [result.effective_rank, *result.spectrum]
    for row in result:
        for field in dataclasses.fields(row):
            value = getattr(row, field.name)
            if field.name not in ("name", "verdict", "component", "matrix"):
                found += list(value) if isinstance(value, tuple) else [value]
        found += row.matrix.flatten().tolist()
    return [-1.0 if value is None else float(value) for value in found]
