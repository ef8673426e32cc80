"""Ranks that disagree raise one error on all of them, and can go on; none aborts, none waits."""

from functools import partial

import pytest
import torch
import torch.distributed as dist
from torch import nn

from equiform import (
    CARELoss,
    EuclideanForm,
    Hyperboloid,
    InfoNCELoss,
    MinkowskiForm,
    PairwiseEquivarianceLoss,
    UniformityLoss,
)
from equiform.functional import info_nce, orientation_gap, pairwise_equivariance, uniformity
from equiform.ops import agreement, gram_difference, log_partition
from equiform.ops.distributed import gather_uneven
from equiform.ops.gram_difference import linked_difference
from equiform.steering import StreamingIsometry
from tests.distributed.ranks import on_ranks

SIZE = 3
LOSSES = {
    "info_nce": info_nce,
    "uniformity": uniformity,
    "pairwise_equivariance": pairwise_equivariance,
    "orientation_gap": orientation_gap,
    "gram_difference": partial(gram_difference, form=EuclideanForm()),
    "linked_difference": partial(linked_difference, link=Hyperboloid().log_cosh_products),
    "log_partition": lambda x, _, **options: log_partition(x, **options),
}


def points(n=4, d=4, dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, n, d, dtype=torch.float64, generator=generator).to(dtype)


def attempts(odd):
    """Calls that every rank makes, one of them the odd one: the call, and what its error says."""
    for name, loss in LOSSES.items():
        chunks = (lambda z: z[:, None]) if name == "linked_difference" else (lambda z: z)
        call = partial(loss, gather_distributed=True)
        z = points(5, 3) if odd else points(4, 4)
        yield partial(call, *chunks(z)), name, "3) on cpu (rank 1)", "4) on cpu (ranks 0, 2)"
        z = points(dtype=torch.float32 if odd else torch.float64)
        yield partial(call, *chunks(z)), name, "float32 (", "(rank 1)", "float64 (", "(ranks 0, 2)"
        yield partial(call, *chunks(points(0))), "no embeddings on any of 3 ranks"
        if name != "linked_difference":  # which only checks shapes
            z1, z2 = points()
            yield partial(call, None if odd else z1, z2), f"{name} on rank 1: ", "NoneType"
    z1, z2 = points()
    for name, usual, other in (
        ("form", EuclideanForm(), MinkowskiForm()),
        ("manifold", None, Hyperboloid()),
        ("num_chunks", 4, 2),
        ("normalization", "pairs", "care"),
        ("center", False, True),
        ("backend", "auto", "gram"),
        ("orientation", 0.0, 1.0),
    ):
        option = {name: other if odd else usual}
        call = partial(pairwise_equivariance, z1, z2, gather_distributed=True, **option)
        yield call, f": {name} is ", "(ranks 0, 2)", "(rank 1)"
    pairwise = partial(pairwise_equivariance, gather_distributed=True)
    nce = partial(info_nce, gather_distributed=True)
    z = points().view(2, 2 if odd else 1, -1, 4)
    yield partial(pairwise, *z), "float64 (1, *, 4) on cpu (ranks 0, 2), float64 (2, *, 4) on cpu"
    z = points().to(torch.complex128 if odd else torch.float64)
    yield partial(pairwise, *z), "float64 (*, 4) on cpu (ranks 0, 2), complex128 (*, 4) on cpu"
    yield partial(nce, z1, z2, 0.1 if odd else 0.5), "temperature is 0.5 (ranks 0, 2), 0.1 (rank 1)"
    yield partial(nce, z1, z2, manifold=Hyperboloid() if odd else None), "Hyperboloid (rank 1)"
    yield partial(nce, z1.clone().requires_grad_(odd), z2), "with gradient (rank 1)"
    yield partial(uniformity if odd else info_nce, z1, z2, gather_distributed=True), "same calls"
    yield partial(gather_uneven, points(5, 3)[0] if odd else z1), "gather_uneven", "(*, 3)"
    group = EuclideanForm().isometry_group(3 if odd else 4)
    yield StreamingIsometry(group).all_reduce, "all ranks need one group"
    # What one rank refuses, which so never comes to the rows.
    on_one = "on rank 1: "
    yield partial(nce, z1[:3] if odd else z1, z2), "info_nce " + on_one, "(3, 4) and (4, 4)"
    yield partial(pairwise, *points(3 if odd else 4), num_chunks=2), on_one + "a batch of 3"
    yield partial(pairwise, z1, z2, backend="fast" if odd else "auto"), on_one + "backend must"
    weights = torch.full((4,), -1.0 if odd else 1.0)
    call = partial(gram_difference, z1, z2, EuclideanForm(), weights=weights)
    yield partial(call, gather_distributed=True), on_one + "weights must be nonnegative"
    # What all refuse.
    yield partial(nce, z1, z2, -1.0), "temperature must be positive and finite, got -1.0"
    yield partial(pairwise, *points().to("meta")), "needs tensors on cpu", "got meta"


def raise_one_error(rank, size):
    """What each attempt raises on this rank."""
    told = []
    for call, *fragments in attempts(odd=rank == 1):
        with pytest.raises((TypeError, ValueError)) as raised:
            call()
        text = str(raised.value)
        assert all(fragment in text for fragment in fragments), text
        told.append(f"{type(raised.value).__name__}: {text}")
        # The ranks can go on.
        assert len(gather_uneven(points()[0])[0]) == 4 * size
    return told


def test_ranks_that_disagree_raise_one_error(tmp_path):
    first, *others = on_ranks(SIZE, raise_one_error, tmp_path)
    assert len(first) > 40
    for other in others:
        assert other == first


def ask_once(rank, size):
    """The number of headers of a forward and a backward pass, and how many numbers they are."""
    headers = []
    gather = agreement.all_gather
    agreement.all_gather = lambda x: [headers.append(len(x)), *gather(x)][1:]
    gathered = {"gather_distributed": True}
    for loss in (
        PairwiseEquivarianceLoss(
            normalization="relative", center=True, orientation=1.0, **gathered
        ),
        InfoNCELoss(**gathered),
        UniformityLoss(manifold=Hyperboloid(), **gathered),
    ):
        headers.clear()
        loss(*points(2 * rank).requires_grad_()).backward()
        assert headers == [3]
    # No rows anywhere are no error of what only gathers them.
    assert gather_uneven(points(0)[0])[0].shape == (0, 4)


def test_a_forward_pass_asks_once(tmp_path):
    on_ranks(2, ask_once, tmp_path)


def test_alone_nothing_is_asked(tmp_path, monkeypatch):
    monkeypatch.setattr(agreement, "all_gather", None)
    for loss in LOSSES.values():
        z = points()[:, None] if loss is LOSSES["linked_difference"] else points()
        assert loss(*z, gather_distributed=True).isfinite().all()
    with pytest.raises(ValueError, match="non-empty"):
        pairwise_equivariance(*points(0), gather_distributed=True)


def test_headers_lie_where_the_group_has_collectives(monkeypatch):
    on_meta = {"z1": torch.zeros(2, 2, device="meta")}
    for backends, arguments, device in (
        ("cpu:gloo,meta:nccl", on_meta, "cpu"),  # where nothing has to be waited for
        ("cuda:nccl,meta:nccl", on_meta, "meta"),
        ("meta:nccl", {"z1": torch.zeros(2, 2)}, "meta"),
        ("meta:nccl", {"z1": None}, "meta"),
    ):
        monkeypatch.setattr(dist, "get_backend_config", lambda backends=backends: backends)
        assert agreement.Agreement("loss", arguments).device_of_headers().type == device


def compiled(rank, size):
    """A graph ends before the exchange: the same values, gradients and errors."""
    encoder = nn.Linear(4, 4, dtype=torch.float64)
    loss = CARELoss(
        InfoNCELoss(gather_distributed=True),
        PairwiseEquivarianceLoss(gather_distributed=True),
        weight=1.0,
    )

    def step(z1, z2):
        return loss(encoder(z1), encoder(z2), z1, encoder(z2)).total

    fast = torch.compile(step, backend="aot_eager", dynamic=True)
    for n in (3 * rank, 4):
        z = points(n)
        expected = step(*z)
        torch.testing.assert_close(fast(*z), expected)
        weights = encoder.weight
        (gradient,) = torch.autograd.grad(fast(*z), weights)
        torch.testing.assert_close(gradient, *torch.autograd.grad(expected, weights))
    with pytest.raises(ValueError, match=r"\(rank 1\)"):
        torch.compile(loss.equivariance, backend="aot_eager")(*points(4, 3 + rank))


@pytest.mark.slow
def test_under_compile(tmp_path):
    on_ranks(2, compiled, tmp_path)
