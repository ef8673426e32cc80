"""Nearest neighbours and their votes against loops in numpy."""

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given

from equiform.functional import knn, knn_accuracy, nearest_neighbours
from equiform.metrics import KNNAccuracy
from equiform.testing import matrices
from tests.distributed.ranks import on_ranks


def cosines(query, gallery):
    q, g = query.double().numpy(), gallery.double().numpy()
    return np.array([[x @ y / (np.linalg.norm(x) * np.linalg.norm(y) or 1) for y in g] for x in q])


def assert_cosines(found, query, gallery):
    """By value: which of two cosines that are equal up to rounding comes first is open."""
    of_index = np.take_along_axis(cosines(query, gallery), found.index.numpy(), 1)
    # Two norms, each half a sum of d squares, and a product of d terms: 2 d + 5 roundings of ε / 2,
    # here and there.
    rounding = (2 * query.shape[1] + 5) * torch.finfo(query.dtype).eps
    np.testing.assert_allclose(of_index, found.similarity, rtol=0, atol=rounding)


def numpy_accuracy(features, labels, test_features, test_labels, k, temperature):
    right = 0
    for row, label in zip(cosines(test_features, features), test_labels.tolist(), strict=True):
        votes = np.zeros(int(labels.max()) + 1)
        for j in np.argsort(-row, kind="stable")[:k]:
            votes[labels[j]] += np.exp(row[j] / temperature)
        right += int(votes.argmax()) == label
    return right / len(test_labels)


@given(data=st.data())
def test_neighbours_are_the_largest_cosines(data):
    n, m, d = (data.draw(st.integers(1, 6)) for _ in range(3))
    k = data.draw(st.integers(1, m))
    query, gallery = data.draw(matrices(n, d)), data.draw(matrices(m, d))
    found = similarity, index = nearest_neighbours(query, gallery, k)
    assert similarity.shape == index.shape == (n, k)
    expected = cosines(query, gallery)
    np.testing.assert_allclose(similarity, -np.sort(-expected)[:, :k], atol=1e-12)
    assert_cosines(found, query, gallery)
    assert all(len(set(row)) == k for row in index.tolist())


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_the_length_of_an_embedding_does_not_matter(scale):
    query, gallery = torch.randn(2, 9, 4)
    expected = nearest_neighbours(query, gallery, 9)
    found = nearest_neighbours(scale * query, gallery / scale, 9)
    torch.testing.assert_close(found.similarity, expected.similarity)
    assert_cosines(found, query, gallery)


def test_chunks_change_nothing(monkeypatch):
    query, gallery = torch.randn(2, 9, 4, dtype=torch.float64)
    whole = nearest_neighbours(query, gallery, 3)
    for entries in (1, 9, 20):
        monkeypatch.setattr(knn, "_MAX_ENTRIES", entries)
        found = nearest_neighbours(query, gallery, 3)
        torch.testing.assert_close(found.similarity, whole.similarity)
        assert_cosines(found, query, gallery)


@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
def test_half_precision_is_upcast_and_autocast_is_left(half):
    query, gallery = torch.randn(2, 9, 4).to(half)
    query.requires_grad_()
    expected = nearest_neighbours(query.float(), gallery.float(), 9)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = nearest_neighbours(query, gallery, 9)
    assert found.similarity.dtype == torch.float32
    assert not found.similarity.requires_grad
    assert torch.equal(found.similarity, expected.similarity)
    assert torch.equal(found.index, expected.index)


def clusters(n, dtype=torch.float64, seed=0):
    """Overlapping clusters of three classes of unequal size, and their labels."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.multinomial(torch.tensor([0.6, 0.3, 0.1]), n, True, generator=generator)
    centres = 1.5 * torch.eye(3, 4, dtype=torch.float64)
    noise = torch.randn(n, 4, dtype=torch.float64, generator=generator)
    return (centres[labels] + noise).to(dtype), labels


@pytest.mark.parametrize("temperature", [0.07, 0.1, 1.0])
@pytest.mark.parametrize("k", [1, 7, 50])
def test_accuracy_is_its_definition(k, temperature, dtype):
    train, test = clusters(50, dtype), clusters(40, dtype, seed=1)
    expected = numpy_accuracy(*train, *test, k, temperature)
    assert 0.2 < expected < 0.95
    assert float(knn_accuracy(*train, *test, k, temperature)) == pytest.approx(expected)


def test_votes_are_weighted_and_small_temperatures_do_not_overflow():
    # One neighbour at cosine 1 of class 1, two at cosine 0 of class 0.
    features = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 2.0]])
    labels = torch.tensor([1, 0, 0])
    query, one = features[:1], labels[:1]
    assert knn_accuracy(features, labels, query, one, 3, 0.1) == 1
    assert knn_accuracy(features, labels, query, one, 3, 1e-4) == 1
    assert knn_accuracy(features, labels, query, one, 3, 10.0) == 0  # two against one
    near = torch.cat([features, torch.tensor([[0.8, 0.6]])])  # of class 0, almost as close
    assert knn_accuracy(near, torch.tensor([1, 0, 0, 0]), query, one, 4, 1e-4) == 1
    # A class that is not among the known ones is never right.
    assert knn_accuracy(features, labels, query, one + 1, 1) == 0


def test_the_metric_is_the_function_over_all_updates(dtype):
    train, (z, labels) = clusters(60, dtype), clusters(31, dtype, seed=1)
    metric = KNNAccuracy(*train, k=9)
    for part in (slice(0, 1), slice(1, 20), slice(20, 31)):
        metric.update(z[part], labels[part])
    expected = knn_accuracy(*train, z, labels, 9)
    torch.testing.assert_close(metric.compute(), expected)
    assert metric.state_dict() == {}  # known embeddings are not in checkpoints
    metric.reset()
    metric.update(z[:5], labels[:5])
    torch.testing.assert_close(metric.compute(), knn_accuracy(*train, z[:5], labels[:5], 9))


def on_rank(rank, size):
    train, (z, labels) = clusters(60), clusters(31, seed=1)
    metric = KNNAccuracy(*train, k=9)
    metric.update(z[rank::size], labels[rank::size])
    return metric.compute()


def test_two_ranks_equal_one_process(tmp_path):
    alone = on_rank(0, 1)
    for value in on_ranks(2, on_rank, tmp_path):
        # Counts, and the votes behind them are 2% apart at least.
        assert torch.equal(value, alone)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"k": 0}, "k must be at least 1, got k=0"),
        ({"k": 5}, "k must be between 1 and the 4 embeddings of the gallery, got 5"),
        ({"temperature": 0.0}, "temperature must be positive and finite, got 0"),
        ({"labels": torch.zeros(4)}, r"int64 classes from 0, got torch\.float32"),
        ({"labels": torch.tensor([0, 1, -1, 0])}, "with minimum -1"),
        ({"labels": torch.zeros(3, dtype=torch.long)}, r"got \(4, 2\) and \(3,\)"),
        ({"test_labels": torch.zeros(2, dtype=torch.long)}, r"got \(3, 2\) and \(2,\)"),
        ({"test_features": torch.ones(3, 5)}, r"got \(3, 5\) and \(4, 2\)"),
        (
            {"test_features": torch.ones(0, 2), "test_labels": torch.ones(0, dtype=torch.long)},
            "at least one embedding",
        ),
        ({"features": torch.ones(4, 2).cfloat()}, "^features must be real, got torch.complex64"),
        ({"test_features": torch.ones(3, 2).cfloat()}, "^test_features must be real"),
        ({"test_features": torch.full((3, 2), torch.nan)}, "^test_features must be finite"),
        ({"test_labels": [0, 0, 0]}, "needs test_labels that are a tensor"),
        ({"test_labels": torch.zeros(3)}, "needs test_labels that are int64"),
    ],
)
def test_errors(change, match):
    arguments = {
        "features": torch.ones(4, 2),
        "labels": torch.zeros(4, dtype=torch.long),
        "test_features": torch.ones(3, 2),
        "test_labels": torch.zeros(3, dtype=torch.long),
        "k": 2,
    }
    with pytest.raises((TypeError, ValueError), match=match):
        knn_accuracy(**(arguments | change))


def test_complex_embeddings_have_no_nearest_neighbours():
    z, labels = torch.ones(4, 2), torch.zeros(4, dtype=torch.long)
    for name in ("query", "gallery"):
        with pytest.raises(TypeError, match=f"{name} must be real, got torch.complex64"):
            nearest_neighbours(**({"query": z, "gallery": z, "k": 1} | {name: z.cfloat()}))
    with pytest.raises(TypeError, match="features must be real"):
        KNNAccuracy(z.cfloat(), labels, 1)
    with pytest.raises(TypeError, match="features must be real"):
        KNNAccuracy(z, labels, 1).update(z.cfloat(), labels)


def test_any_numbers_may_be_labels():
    (z, labels), (x, truth) = clusters(60), clusters(31, seed=1)
    expected = knn_accuracy(z, labels, x, truth, 9)
    big = 2**40  # a table of votes for every number up to it would not fit
    assert torch.equal(knn_accuracy(z, labels * big + 7, x, truth * big + 7, 9), expected)


@pytest.mark.parametrize("scale", [1e-44, 1e-30, 1e30])
def test_neighbours_are_found_at_any_size(scale):
    gallery = torch.eye(3)
    query = torch.tensor([[3.0, 1, 2], [0, 0, 0]])
    found = nearest_neighbours(query * scale, gallery * scale, 3)
    assert found.index[0].tolist() == [0, 2, 1]
    expected = torch.tensor([[3.0, 2, 1], [0, 0, 0]]) / 14**0.5
    torch.testing.assert_close(
        found.similarity, expected, rtol=1e-6 if scale > 1e-40 else 0.1, atol=0
    )
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(nearest_neighbours(query, gallery, 3).index[0], found.index[0])
    with pytest.raises(ValueError, match=r"^query must be finite"):
        nearest_neighbours(query * torch.inf, gallery, 1)
    with pytest.raises(ValueError, match=r"^gallery must be finite"):
        nearest_neighbours(query, gallery * torch.nan, 1)


def test_a_gallery_is_refused_where_it_is_given():
    z, labels = torch.ones(4, 2), torch.zeros(4, dtype=torch.long)
    bad = z.clone()
    bad[2, 1] = torch.nan
    with pytest.raises(ValueError, match=r"^features must be finite"):
        KNNAccuracy(bad, labels, 1)
    metric = KNNAccuracy(z, labels, 1)
    with pytest.raises(ValueError, match=r"^features must be finite"):
        metric.update(bad, labels)
    metric.update(z, labels)
    assert metric.compute() == 1  # the refused batch left no trace
    with pytest.raises(ValueError, match="labels on the device of features, cpu, got meta"):
        metric.update(z, labels.to("meta"))
