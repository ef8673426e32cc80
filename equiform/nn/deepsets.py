"""Deep Sets: an encoder of point clouds that does not see the order of the points."""

from __future__ import annotations

from torch import Tensor, nn

from equiform._extras import require

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

    Raises:
        ValueError: a width is under 1.

    Source: Zaheer et al., "Deep Sets", NeurIPS 2017.
    """

    def __init__(self, in_features: int, hidden: int, out_features: int) -> None:
        super().__init__()
        widths = {"in_features": in_features, "hidden": hidden, "out_features": out_features}
        for name, width in widths.items():
            if width < 1:
                raise ValueError(f"DeepSets needs {name} >= 1, got {width}")
        phi = nn.Sequential(
            nn.Linear(in_features, hidden),
            nn.SiLU(),
            nn.Linear(hidden, hidden),
            nn.SiLU(),
            nn.Linear(hidden, hidden),
        )
        rho = nn.Sequential(
            nn.LayerNorm(hidden),
            nn.Linear(hidden, hidden),
            nn.SiLU(),
            nn.Linear(hidden, out_features),
        )
        self.aggregation = DeepSetsAggregation(local_nn=phi, global_nn=rho)

    def forward(
        self,
        pos: Tensor,
        index: Tensor | None = None,
        *,
        ptr: Tensor | None = None,
        num_clouds: int | None = None,
    ) -> Tensor:
        """Encode a batch of clouds.

        Args:
            pos: (N, in_features), the points of all clouds.
            index: (N,) int64, the cloud of each point: ``batch.batch`` of PyG. With neither
                `index` nor `ptr` all points are one cloud.
            ptr: (num_clouds + 1,) int64, where each cloud begins: ``batch.ptr``, in place of
                `index`.
            num_clouds: number of clouds; found from `index` or `ptr` if not given.

        Returns:
            (num_clouds, out_features).
        """
        return self.aggregation(pos, index, ptr=ptr, dim_size=num_clouds)
