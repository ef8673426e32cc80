"""Projection heads: what stands between an encoder and a contrastive loss in training."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from equiform._options import check_count
from equiform.nn._arguments import check_like_parameters, check_normalizable, check_rows


class ProjectionHead(nn.Sequential):
    """A perceptron with a batch norm and a ReLU after every layer but the last.

    ``ProjectionHead(2048, 512, 128)`` is the head of the CARE paper. The layers before a batch norm
    have no bias, which it would take away.

    Args:
        widths: of the input, of the hidden layers if any, and of the embedding, which is not
            normalised; a manifold does that.

    Shape:
        ``(n, widths[0]) -> (n, widths[-1])``

    Source: Chen et al., "A Simple Framework for Contrastive Learning of Visual Representations",
    ICML 2020.
    """

    def __init__(self, *widths: int) -> None:
        for width in widths:
            check_count("widths", width)
        if len(widths) < 2:
            raise ValueError(f"ProjectionHead needs two or more widths, got {widths}")
        *hidden, last = widths
        layers: list[nn.Module] = []
        for before, after in pairwise(hidden):
            layers += [nn.Linear(before, after, bias=False), nn.BatchNorm1d(after), nn.ReLU()]
        super().__init__(*layers, nn.Linear(hidden[-1], last))
        self.in_features = widths[0]

    def forward(self, x: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Embeddings for a loss; of one row only in eval mode."""
        check_rows("x", x, self.in_features)
        check_like_parameters("x", x, self)
        for layer in self:
            if isinstance(layer, nn.BatchNorm1d):
                check_normalizable("x", x, layer)
        return super().forward(x)
