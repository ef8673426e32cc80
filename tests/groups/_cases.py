"""Elements and points of every group, for the suites that run over all of them."""

from typing import NamedTuple

import pytest
import torch

from equiform import IsometryGroup, Orthochronous
from tests.cases import GROUPS

#: One of each kind of fit and frame; the rest are slow.
_FEW = (2, 8, 19, -1)


def each_group(cases: tuple[int, ...] = _FEW) -> pytest.MarkDecorator:
    """All groups, most of them among the slow tests."""
    few = [GROUPS[i].group for i in cases]
    rest = [case.group for case in GROUPS if case.group not in few]
    marked = [pytest.param(group, marks=pytest.mark.slow) for group in rest]
    return pytest.mark.parametrize("group", [*few, *marked], ids=repr)


class Data(NamedTuple):
    """Of three items: elements, of the algebra too, and points with and without noise."""

    elements: torch.Tensor
    algebra: torch.Tensor
    source: torch.Tensor
    exact: torch.Tensor
    noisy: torch.Tensor
    weights: torch.Tensor


def data(group: IsometryGroup) -> Data:
    """In double precision; of the hyperboloid's group, points of it."""
    d = group.dim
    dtype = torch.complex128 if group.form.sesquilinear else torch.float64
    t = group.sample(3, rapidity=0.5, dtype=dtype)
    b = torch.randn(3, 2 * d + 1, d, dtype=dtype)
    if isinstance(group, Orthochronous):
        b[..., 0] = (1 + b[..., 1:].square().sum(-1)).sqrt()
    a = b @ t.mT
    xi = group.project_algebra(torch.randn_like(t))
    weights = torch.rand(3, 2 * d + 1, dtype=torch.float64)
    weights[:, 0] = 0
    return Data(t, xi, b, a, a + 0.01 * torch.randn_like(a), weights)
