"""The momentum encoder against its formula, and the queue against a Python deque."""

import copy
from collections import deque

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given
from torch import nn

from equiform.functional import momentum_contrast
from equiform.nn import EmbeddingQueue, MomentumEncoder


def encoder():
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))


def move(module):
    """What training does to a module: parameters change, and running statistics."""
    module(torch.randn(9, 3, dtype=next(module.parameters()).dtype))
    with torch.no_grad():
        for p in module.parameters():
            p += torch.randn_like(p)


@pytest.mark.parametrize("momentum", [0.0, 0.3, 0.99, 1.0])
def test_parameters_follow_the_formula_and_buffers_are_copied(momentum, dtype):
    online = encoder().to(dtype)
    slow = MomentumEncoder(online, momentum)
    expected = [p.detach().clone() for p in online.parameters()]
    for _ in range(3):
        move(online)
        current = [p.detach().clone() for p in online.parameters()]
        expected = [
            momentum * e + (1 - momentum) * p for e, p in zip(expected, current, strict=True)
        ]
        slow.update(online)
        for p, e in zip(slow.parameters(), expected, strict=True):
            torch.testing.assert_close(p.detach(), e)
        for b, e in zip(slow.buffers(), online.buffers(), strict=True):
            assert torch.equal(b, e)
            assert b.data_ptr() != e.data_ptr()
        assert all(torch.equal(p, c) for p, c in zip(online.parameters(), current, strict=True))
        assert all(p.requires_grad for p in online.parameters())


@pytest.mark.parametrize("own", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_each_encoder_keeps_its_own_precision(own, dtype):
    online = nn.Linear(3, 2).to(dtype)
    slow = MomentumEncoder(online, np.float32(0.5)).to(own)
    before = slow.module.weight.double().clone()
    move(online)
    slow.update(online)
    expected = (before + online.weight.detach()) / 2
    eps = torch.finfo(own).eps  # one rounding of each of the two, and of the result
    assert slow.module.weight.dtype == own
    torch.testing.assert_close(slow.module.weight.double(), expected, rtol=2 * eps, atol=8 * eps)


def test_no_gradient_flows_and_the_encoder_is_not_shared():
    online = encoder()
    slow = MomentumEncoder(online)
    x = torch.randn(5, 3, requires_grad=True)
    assert not slow(x).requires_grad
    assert not any(p.requires_grad for p in slow.parameters())
    torch.testing.assert_close(slow(x), online(x).detach())
    before = slow(x)
    move(online)
    assert torch.equal(slow(x), before)


def test_modes_and_state():
    online = encoder()
    slow = MomentumEncoder(online, 0.5).eval()
    assert not any(m.training for m in slow.modules())
    move(online)
    slow.update(online)
    other = MomentumEncoder(encoder(), 0.5).eval()
    other.load_state_dict(copy.deepcopy(slow.state_dict()))
    x = torch.randn(1, 3)
    assert torch.equal(other(x), slow(x))
    assert "momentum=0.5" in repr(slow)


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ((encoder(), 1.5), ValueError, r"momentum must be in \[0, 1\], got 1\.5"),
        ((encoder(), -0.1), ValueError, "momentum must be finite and not negative, got -0.1"),
        ((encoder(), "0.9"), TypeError, "momentum must be a number"),
        ((None,), TypeError, "module must be a module .* got None"),
        ((nn.Linear,), TypeError, "module must be a module .* got <class"),
    ],
)
def test_momentum_encoder_checks_its_arguments(arguments, error, match):
    with pytest.raises(error, match=match):
        MomentumEncoder(*arguments)


def test_an_update_needs_the_encoder():
    with pytest.raises(TypeError, match=r"module must be a module .* got None"):
        MomentumEncoder(encoder()).update(None)
    with pytest.raises(ValueError, match="got a Linear whose parameters or buffers"):
        MomentumEncoder(encoder()).update(nn.Linear(3, 4))


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
    ],
)
def test_the_queue_checks_what_goes_in(embeddings, error, match):
    with pytest.raises(error, match=match):
        EmbeddingQueue(3, 2).enqueue(embeddings)
