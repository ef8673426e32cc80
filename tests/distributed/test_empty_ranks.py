"""Ranks without rows, NaN on one rank, half precision: as one process on the whole batch."""

import itertools

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from equiform import (
    CARELoss,
    EuclideanForm,
    HermitianForm,
    Hyperboloid,
    InfoNCELoss,
    PairwiseEquivarianceLoss,
    Sphere,
    SymplecticForm,
    UniformityLoss,
)
from equiform.functional import orientation_determinant
from equiform.losses import OrientationLoss
from equiform.metrics import (
    CosineSpread,
    EffectiveRank,
    KNNAccuracy,
    RelativeEquivariance,
    Uniformity,
    WahbaError,
)
from tests.distributed.ranks import on_ranks

N, D = 8, 4
#: Rows of each of three ranks.
SHARES = [0, 8, 0], [6, 0, 2]
HYPERBOLOID = Hyperboloid(1.3)
LINK = {"manifold": HYPERBOLOID, "link": "log_cosh"}
CASES = [
    *(
        (PairwiseEquivarianceLoss, {"form": form, "normalization": normalization, "center": center})
        for form in (EuclideanForm(), SymplecticForm(), HermitianForm())
        for normalization in ("pairs", "care", "relative")
        for center in (False, True)
    ),
    *((PairwiseEquivarianceLoss, {"backend": name}) for name in ("gram", "gauge", "reference")),
    (PairwiseEquivarianceLoss, {"form": HermitianForm(), "backend": "gram"}),
    (PairwiseEquivarianceLoss, {"orientation": 1.0, "num_chunks": 2}),
    (PairwiseEquivarianceLoss, LINK),
    (PairwiseEquivarianceLoss, {"normalization": "care", "num_chunks": 2, **LINK}),
    (OrientationLoss, {"num_chunks": 2}),
    (OrientationLoss, {"term": orientation_determinant}),
    *(
        (loss, {"manifold": manifold, "backend": backend})
        for loss in (InfoNCELoss, UniformityLoss)
        for manifold in (None, Sphere(), HYPERBOLOID)
        for backend in ("auto", "reference")
    ),
]


def batch(options, dtype=torch.float64):
    """Two views ``(2, n, d)``: a mirror image, so that no term vanishes."""
    generator = torch.Generator().manual_seed(0)
    z, noise = torch.randn(2, N, D, dtype=torch.float64, generator=generator)
    mirror = torch.tensor([-1.0, 1.0, 1.0, 1.0], dtype=torch.float64)
    z1, z2 = z.to(dtype), (z * mirror + 0.1 * noise).to(dtype)
    if isinstance(options.get("form"), HermitianForm):
        z1, z2 = (torch.complex(z.double(), z.double().roll(1, -1)) for z in (z1, z2))
    return torch.stack([z1, z2])


def share(views, sizes, rank, chunks):
    """The rows of one rank: of each chunk its part."""
    parts = [chunk.split([size // chunks for size in sizes], 1) for chunk in views.chunk(chunks, 1)]
    return torch.cat([part[rank] for part in parts], 1)


def evaluated(loss, views, manifold=None, *, autocast=False):
    """The value of a loss, and its gradients in the views."""
    views = views.clone().requires_grad_()
    z1, z2 = views if manifold is None else manifold.project(views)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        value = loss(z1, z2)
    return value.detach(), *torch.autograd.grad(value, views)


def check_losses(rank, size):
    for (make, options), sizes in itertools.product(CASES, SHARES):
        chunks, manifold = options.get("num_chunks", 1), options.get("manifold")
        whole = batch(options)
        value, gradient = evaluated(make(**options), whole, manifold)
        over_ranks = make(gather_distributed=True, **options)
        got, own = evaluated(over_ranks, share(whole, sizes, rank, chunks), manifold)
        exact = {"rtol": 1e-12, "atol": 1e-12}
        torch.testing.assert_close(got, value, **exact)
        torch.testing.assert_close(own, size * share(gradient, sizes, rank, chunks), **exact)
        # NaN on one rank is NaN on all.
        whole[0, 0, 0] = torch.nan
        assert over_ranks(*share(whole, sizes, rank, chunks)).isnan(), (make, options)


def check_overflow(rank, size):
    """What overflows is infinite, and not NaN as ∞ - ∞ is."""
    for make, options in (
        (PairwiseEquivarianceLoss, {"form": SymplecticForm()}),
        (UniformityLoss, {}),
    ):
        whole = 1e160 * batch(options)
        value = make(**options)(*whole)
        assert value == torch.inf
        assert make(gather_distributed=True, **options)(*share(whole, SHARES[1], rank, 1)) == value


def check_precision(rank, size):
    """Half precision and autocast: computed in float32, as in one process without autocast."""
    for make, options in CASES:
        if isinstance(options.get("form"), HermitianForm) or options.get("center"):
            continue
        chunks, manifold = options.get("num_chunks", 1), options.get("manifold")
        over_ranks = make(gather_distributed=True, **options)
        for dtype, autocast in ((torch.bfloat16, False), (torch.float32, True)):
            whole = batch(options, dtype)
            if manifold is not None:
                whole = manifold.project(whole)
            value, gradient = evaluated(make(**options), whole)
            own = share(whole, SHARES[1], rank, chunks)
            got, own = evaluated(over_ranks, own, autocast=autocast)
            # Sums of up to 64 terms, each a difference of products of four.
            close = 300 * torch.finfo(torch.float32).eps
            torch.testing.assert_close(got, value, rtol=close, atol=close)
            close = max(close, torch.finfo(dtype).eps)
            expected = size * share(gradient, SHARES[1], rank, chunks)
            torch.testing.assert_close(own, expected, rtol=2 * close, atol=close)


def check_a_network(rank, size):
    """Parameters under DistributedDataParallel, those of the manifold too."""
    for sizes in SHARES:
        gradients = []
        for gathered in (True, False):
            torch.manual_seed(0)
            encoder = nn.Linear(D, D - 1, dtype=torch.float64)
            manifold = Hyperboloid(torch.tensor(1.3, dtype=torch.float64), learnable=True)
            loss = CARELoss(
                InfoNCELoss(manifold=manifold, gather_distributed=gathered),
                PairwiseEquivarianceLoss(gather_distributed=gathered, center=True),
                weight=1.0,
            )
            network = DistributedDataParallel(encoder) if gathered else encoder
            x = batch({})
            z = network(share(x, sizes, rank, 1) if gathered else x)
            loss(*manifold.project(z), *z).total.backward()
            if gathered:
                torch.distributed.all_reduce(manifold.k.grad)
                manifold.k.grad /= size
            gradients.append([p.grad for p in (*encoder.parameters(), manifold.k)])
        torch.testing.assert_close(*gradients, rtol=1e-12, atol=1e-12)


def check_metrics(rank, size):
    """Only the second rank has seen anything."""
    group = EuclideanForm().isometry_group(D)
    gallery, labels = batch({})[0].repeat(4, 1), torch.arange(N).repeat(4) % 3
    for make in (
        EffectiveRank,
        Uniformity,
        CosineSpread,
        RelativeEquivariance,
        lambda: WahbaError(group),
        lambda: KNNAccuracy(gallery, labels, k=3),
    ):
        synced, alone = make(), make()
        alone.sync_on_compute = False
        seen = (gallery, labels) if isinstance(alone, KNNAccuracy) else batch({})
        alone.update(*seen)
        if rank == 1:
            synced.update(*seen)
        torch.testing.assert_close(synced.compute(), alone.compute(), rtol=1e-12, atol=1e-12)


def check(rank, size):
    check_losses(rank, size)
    check_overflow(rank, size)
    check_precision(rank, size)
    check_a_network(rank, size)
    check_metrics(rank, size)


def test_ranks_without_rows_take_part(tmp_path):
    on_ranks(len(SHARES[0]), check, tmp_path)
