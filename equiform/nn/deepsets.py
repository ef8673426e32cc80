"""Deep Sets: an encoder of point clouds that does not see the order of the points."""

from __future__ import annotations

from torch import Tensor, nn

from equiform._extras import require
from equiform.nn._arguments import check_counts, check_rows

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
            ptr: (num_clouds + 1,) int64, where each cloud begins: ``batch.ptr``, in its place.
            num_clouds: found from `index` or `ptr` if not given.
        """
        if not isinstance(pos, Tensor):
            given = type(pos).__name__
            raise TypeError(f"pos must be a tensor, got {given}; use batch.pos and batch.batch")
        check_rows("pos", pos, self.in_features)
        return self.aggregation(pos, index, ptr=ptr, dim_size=num_clouds)
