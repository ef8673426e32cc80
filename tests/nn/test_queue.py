"""The queue against a Python deque, and what it refuses."""

import copy
import pickle
from collections import deque

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given

from equiform.functional import momentum_contrast
from equiform.nn import EmbeddingQueue


@given(
    size=st.integers(1, 7),
    batches=st.lists(st.integers(0, 10), max_size=6),
)
def test_the_queue_holds_the_last_embeddings(size, batches):
    queue, reference = EmbeddingQueue(2, size), deque(maxlen=size)
    seen = 0
    for n in batches:
        rows = torch.arange(seen, seen + n).float().unsqueeze(1).expand(n, 2)  # not contiguous
        seen += n
        queue.enqueue(rows)
        reference.extend(rows[:, 0].tolist())
        held = queue.embeddings()
        assert held.shape == (len(reference), 2)
        assert sorted(held[:, 0].tolist()) == list(reference)
        assert torch.equal(held[:, 0], held[:, 1])
    assert queue.embeddings().shape == (min(seen, size), 2)


def test_the_queue_resumes_from_its_state(dtype):
    queue = EmbeddingQueue(3, 5).to(dtype)
    queue.enqueue(torch.randn(7, 3, dtype=dtype))
    other = EmbeddingQueue(3, 5).to(dtype)
    other.load_state_dict(copy.deepcopy(queue.state_dict()))
    more = torch.randn(2, 3, dtype=dtype)
    for q in (queue, other):
        q.enqueue(more)
    assert torch.equal(queue.embeddings(), other.embeddings())
    assert queue.embeddings().dtype == dtype


def test_a_loss_may_be_differentiated_after_the_queue_has_moved_on():
    queue = EmbeddingQueue(3, 4)
    queue.enqueue(torch.randn(4, 3))
    query = torch.randn(4, 3, requires_grad=True)
    key = torch.randn(4, 3)
    (expected,) = torch.autograd.grad(momentum_contrast(query, key, queue.embeddings()), query)
    loss = momentum_contrast(query, key, queue.embeddings())
    queue.enqueue(query)  # with its graph, which the queue does not keep
    loss.backward()
    assert torch.equal(query.grad, expected)
    assert not queue.embeddings().requires_grad


@pytest.mark.parametrize(
    ("dim", "size", "error", "match"),
    [
        (3, 0, ValueError, "size must be at least 1, got size=0"),
        (True, 8, TypeError, "dim must be an int, got True"),
        (2.5, 8, TypeError, "dim must be an int, got 2.5"),
        (3, "8", TypeError, "size must be an int, got '8'"),
    ],
)
def test_the_queue_checks_its_sizes(dim, size, error, match):
    with pytest.raises(error, match=match):
        EmbeddingQueue(dim, size)


@pytest.mark.parametrize(
    ("embeddings", "error", "match"),
    [
        (torch.zeros(3), ValueError, r"embeddings must have shape \(n, d\), got \(3,\)"),
        (torch.zeros(2, 4), ValueError, r"embeddings must have shape \(n, 3\), got \(2, 4\)"),
        (torch.zeros(2, 3).cfloat(), TypeError, "embeddings must be real"),
        (torch.zeros(2, 3).long(), TypeError, "embeddings must be floating-point"),
        (torch.zeros(2, 3).numpy(), TypeError, "embeddings must be a tensor"),
        (None, TypeError, "embeddings must be a tensor"),
        (torch.zeros(2, 3, device="meta"), ValueError, "embeddings must be on cpu, .* got meta"),
    ],
)
def test_the_queue_checks_what_goes_in(embeddings, error, match):
    with pytest.raises(error, match=match):
        EmbeddingQueue(3, 2).enqueue(embeddings)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_one_bad_batch_is_refused_whole(dtype, value):
    queue = EmbeddingQueue(3, 4).to(dtype)
    queue.enqueue(torch.randn(3, 3))
    before = copy.deepcopy(queue.state_dict())
    batch = torch.randn(2, 3)
    batch[1, 2] = value
    with pytest.raises(ValueError, match=r"embeddings must be finite in torch\..*, got NaN or inf"):
        queue.enqueue(batch)
    assert all(torch.equal(x, before[name]) for name, x in queue.state_dict().items())
    queue.enqueue(batch[:1])
    assert queue.embeddings().isfinite().all()
    assert len(queue.embeddings()) == 4


def test_what_its_precision_cannot_hold_is_refused():
    with pytest.raises(ValueError, match=r"must be finite in torch\.float16"):
        EmbeddingQueue(3, 4).half().enqueue(torch.full((1, 3), 1e30))


def test_it_is_copied_and_pickled():
    queue = EmbeddingQueue(3, 4)
    queue.enqueue(torch.randn(2, 3))
    for other in (copy.deepcopy(queue), pickle.loads(pickle.dumps(queue))):
        assert torch.equal(other.embeddings(), queue.embeddings())
