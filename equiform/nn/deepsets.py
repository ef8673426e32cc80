"""Deep Sets: an encoder of point clouds that does not see the order of the points."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from equiform._extras import require
from equiform._options import check_count
from equiform._points import check_offsets
from equiform.nn._arguments import check_counts, check_like_parameters, check_rows

require("torch_geometric", extra="proteins")
from torch_geometric.nn.aggr import DeepSetsAggregation  # noqa: E402


class DeepSets(nn.Module):
    r"""Encode a cloud :math:`\{x_1, …, x_n\}` as :math:`\rho(\sum_i \phi(x_i))`.

    φ has two hidden layers and ρ one. ρ begins with a layer norm, so that the embedding depends on
    the mean of φ over the cloud, as good as not on the number of points.

    Args:
        in_features: features of a point; 3 for positions.
        hidden: width of all layers.
        out_features: dimension of the embedding. It is not normalised; a manifold does that.

    Source: Zaheer et al., "Deep Sets", NeurIPS 2017.
    """

    def __init__(self, in_features: int, hidden: int, out_features: int) -> None:
        super().__init__()
        check_counts(in_features=in_features, hidden=hidden, out_features=out_features)
        self.in_features = in_features
        first, *rest = (nn.Linear(n, hidden) for n in (in_features, hidden, hidden, hidden))
        last = nn.Linear(hidden, out_features)
        phi = nn.Sequential(first, nn.SiLU(), rest[0], nn.SiLU(), rest[1])
        rho = nn.Sequential(nn.LayerNorm(hidden), rest[2], nn.SiLU(), last)
        self.aggregation = DeepSetsAggregation(local_nn=phi, global_nn=rho)

    def forward(
        self,
        pos: Tensor,
        index: Tensor | None = None,
        *,
        ptr: Tensor | None = None,
        num_clouds: int | None = None,
    ) -> Tensor:
        """Encode a batch of clouds, ``(N, in_features) -> (num_clouds, out_features)``.

        Args:
            pos: the points of all clouds.
            index: (N,) int64, the cloud of each point: ``batch.batch`` of PyG. With neither
                `index` nor `ptr` all points are one cloud.
            ptr: (num_clouds + 1,) int64, where each cloud begins, and N: ``batch.ptr``, in its
                place.
            num_clouds: found from `index` or `ptr` if not given.
        """
        if not isinstance(pos, Tensor):
            given = type(pos).__name__
            raise TypeError(f"pos must be a tensor, got {given}; use batch.pos and batch.batch")
        check_rows("pos", pos, self.in_features)
        check_like_parameters("pos", pos, self)
        if num_clouds is not None:
            num_clouds = check_count("num_clouds", num_clouds, least=0)
        if ptr is not None:
            check_offsets("ptr", ptr, pos)
            if index is not None:
                raise ValueError("index and ptr both say whose each point is; give one of the two")
            if num_clouds not in (None, len(ptr) - 1):
                raise ValueError(f"num_clouds={num_clouds}, but ptr is of {len(ptr) - 1} clouds")
        if index is not None:
            _check_index(index, pos, num_clouds)
        return self.aggregation(pos, index, ptr=ptr, dim_size=num_clouds)


def _check_index(index: Tensor, pos: Tensor, num_clouds: int | None) -> None:
    """Raise unless they are the clouds of points."""
    n = len(pos)
    if not isinstance(index, Tensor) or index.dtype != torch.int64:
        got = index.dtype if isinstance(index, Tensor) else type(index).__name__
        raise TypeError(f"index must be an int64 tensor of shape ({n},), got {got}")
    if index.shape != (n,) or index.device != pos.device:
        given = f"{tuple(index.shape)} on {index.device}"
        raise ValueError(f"index must have shape ({n},), on {pos.device} as pos, got {given}")
    if n and not torch.compiler.is_compiling():  # no graph can branch on values
        low, high = torch.stack(index.aminmax()).tolist()
        if low < 0 or (num_clouds is not None and high >= num_clouds):
            below = "" if num_clouds is None else f" and below num_clouds={num_clouds}"
            raise ValueError(f"index must be from 0 on{below}, got values from {low} to {high}")
