"""Embeddings that the tests of the metrics share."""

import torch


def unit(*shape):
    return torch.nn.functional.normalize(torch.randn(*shape, dtype=torch.float64), dim=-1)
