"""The manifolds that the contract suites run over: a new one is tested by adding a line here."""

import pytest
import torch

from equiform.manifolds import EmbeddingManifold, Hyperboloid, Sphere

MANIFOLDS = {
    "sphere": Sphere,
    "hyperboloid": Hyperboloid,
    "hyperboloid-k": lambda: Hyperboloid(k=2.5),
}
DTYPES = [torch.float32, torch.float64]


@pytest.fixture(params=MANIFOLDS.values(), ids=MANIFOLDS.keys())
def manifold(request) -> EmbeddingManifold:
    return request.param()


@pytest.fixture(params=DTYPES, ids=["float32", "float64"])
def dtype(request) -> torch.dtype:
    return request.param


@pytest.fixture
def rng() -> torch.Generator:
    return torch.Generator().manual_seed(0)
