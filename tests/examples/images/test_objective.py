"""The objectives of images: what they are made of, by hand, and that each can be learned."""

from dataclasses import replace

import pytest
import torch

from equiform import Hyperboloid, Sphere, functional
from equiform.augment import augment_chunks, care_views
from images.objective import describe_pairs
from images.parts import build_augmentation, build_encoder, build_objective
from images.settings import Settings

TINY = Settings(width=2, head=(8, 4), image_size=8, num_chunks=4, queue_size=24)
METHODS = [
    "simclr",
    "care-simclr",
    "moco",
    "care-moco",
    *("inv", "unif", "equi", "inv+unif", "inv+equi", "unif+equi", "inv+unif+equi"),
]


def images(n=16, size=8):
    generator = torch.Generator().manual_seed(5)
    return torch.randint(256, (n, 3, size, size), dtype=torch.uint8, generator=generator)


def build(method, **changes):
    torch.manual_seed(1)
    settings = replace(TINY, method=method, **changes)
    encoder = build_encoder(settings)
    generator = torch.Generator().manual_seed(2)
    return encoder, build_objective(settings, encoder, generator=generator), settings


@pytest.mark.parametrize("manifold", ["sphere", "hyperboloid"])
@pytest.mark.parametrize("method", METHODS)
def test_every_method_lowers_its_loss(method, manifold):
    encoder, objective, _ = build(method, manifold=manifold, weight=0.1)
    optimizer = torch.optim.Adam(encoder.parameters(), lr=5e-3)
    generator = objective.views.keywords["generator"]

    def loss_now():
        # One draw of views for all, so that only the encoder differs. With the queue as it is, a
        # second call would contrast against the keys of the first.
        state = {k: v.clone() for k, v in objective.module.state_dict().items()}
        generator.manual_seed(7)
        with torch.no_grad():
            value = objective(images())["loss"].item()
        objective.module.load_state_dict(state)
        return value

    if "moco" in method:
        objective(images())  # the first call has no negatives
    queue = getattr(objective, "queue", None)
    frozen = None if queue is None else {k: v.clone() for k, v in queue.state_dict().items()}
    before = loss_now()
    for _ in range(15):
        generator.manual_seed(7)
        terms = objective(images())
        optimizer.zero_grad()
        terms["loss"].backward()
        optimizer.step()
        if frozen is not None:
            queue.load_state_dict(frozen)
    assert loss_now() < before


def test_views_are_those_of_care_views():
    encoder, objective, settings = build("care-simclr")
    seen = []
    objective.network = lambda x: seen.append(x) or encoder(x)
    objective(images())
    augmentation = build_augmentation(settings)
    views = care_views(augmentation, images(), 4, generator=torch.Generator().manual_seed(2))
    assert torch.equal(
        seen[0], torch.cat([views.x1_inv, views.x2_inv, views.x1_equi, views.x2_equi])
    )


def test_one_pair_is_shared_by_the_batch_and_the_loss_keeps_its_chunks():
    _, objective, settings = build("equi", one_pair=True)
    seen = []
    objective.network = lambda x: seen.append(x) or x.flatten(1)[:, :4]
    terms = objective(images())
    generator = torch.Generator().manual_seed(2)
    augmentation = build_augmentation(settings)
    pair = [augment_chunks(augmentation, images(), 1, generator=generator)[0] for _ in range(2)]
    assert torch.equal(seen[0], torch.cat(pair))
    z = [x.flatten(1)[:, :4] for x in pair]
    expected = functional.pairwise_equivariance(*z, num_chunks=4, normalization="care")
    torch.testing.assert_close(terms["equivariance"], expected)
    assert terms["positive_cosine"] == describe_pairs(*z, Sphere())["positive_cosine"]


def test_the_loss_is_the_sum_of_its_terms():
    encoder, objective, _ = build("care-simclr", weight=0.3, temperature=0.2)
    seen = []
    objective.network = lambda x: seen.append(encoder(x)) or seen[0]
    terms = objective(images())
    z = seen[0].chunk(4)
    contrastive = functional.info_nce(z[0], z[1], 0.2)
    m = 4  # images a chunk, whose pairs are counted 2m times the paper's mean over m² pairs
    equivariance = 2 * m * functional.pairwise_equivariance(z[2], z[3], num_chunks=4)
    torch.testing.assert_close(terms["contrastive"], contrastive)
    torch.testing.assert_close(terms["equivariance"], equivariance)
    torch.testing.assert_close(terms["loss"], contrastive + 0.3 * equivariance)
    torch.testing.assert_close(terms["invariance"], (z[0] - z[1]).norm(dim=1).mean())
    cosine = (z[0] * z[1]).sum(1).mean().double()
    torch.testing.assert_close(
        terms["positive_cosine"], cosine, check_dtype=False, rtol=0, atol=1e-6
    )


def test_ablations_are_sums_of_the_papers_terms():
    encoder, objective, _ = build("inv+unif+equi", weight=0.5)
    seen = []
    objective.network = lambda x: seen.append(encoder(x)) or seen[0]
    terms = objective(images())
    z = seen[0].chunk(4)
    contrastive = functional.invariance(z[0], z[1]) + functional.uniformity(z[0], z[1])
    torch.testing.assert_close(terms["contrastive"], contrastive)
    torch.testing.assert_close(terms["loss"], contrastive + 0.5 * terms["equivariance"])


def test_invariance_on_the_hyperboloid_is_geodesic():
    encoder, objective, _ = build("inv", manifold="hyperboloid")
    seen = []
    objective.network = lambda x: seen.append(encoder(x)) or seen[0]
    terms = objective(images())
    distance = Hyperboloid().dist(*seen[0].chunk(2)).mean()
    torch.testing.assert_close(terms["contrastive"], distance)
    torch.testing.assert_close(terms["distance"], distance)


def test_moco_contrasts_with_earlier_keys_and_its_copy_follows():
    encoder, objective, _ = build("care-moco", moco_momentum=0.5)
    assert objective(images())["contrastive"] == 0  # nothing to contrast with yet
    first = objective.queue.embeddings()
    assert first.shape == (16, 4)
    objective(images())
    assert len(objective.queue.embeddings()) == 24
    weight = encoder.head[0].weight
    copy = objective.momentum_encoder.module.head[0].weight
    with torch.no_grad():
        weight += 1
    expected = (copy + weight) / 2
    objective.after_step()
    torch.testing.assert_close(copy, expected)
    assert not copy.requires_grad
    assert {key.partition(".")[0] for key in objective.module.state_dict()} == {
        *("encoder", "momentum_encoder", "queue")
    }


@pytest.mark.parametrize("method", ["care-simclr", "care-moco"])
def test_bfloat16_encodes_and_float32_decides(method):
    encoder, objective, _ = build(method, precision="bfloat16")
    _, exact, _ = build(method)
    seen = []
    encoder.head.register_forward_hook(lambda *args: seen.append(args[2].dtype))
    for _ in range(2):
        terms, expected = objective(images()), exact(images())
        for name, value in terms.items():
            assert value.dtype in (torch.float32, torch.float64), name
            torch.testing.assert_close(value, expected[name], rtol=0.1, atol=0.05)
    assert seen[0] == torch.bfloat16
    terms["loss"].backward()
    assert all(p.grad.dtype == torch.float32 for p in encoder.parameters())


def test_embeddings_lie_on_the_manifold():
    for manifold, dim in (("sphere", 4), ("hyperboloid", 5)):
        encoder, *_ = build("simclr", manifold=manifold)
        z = encoder(images())
        assert z.shape == (16, dim) == (16, encoder.dim)
        form = {"sphere": Sphere, "hyperboloid": Hyperboloid}[manifold].form
        norms = form.inner(z, z)
        sign = 1.0 if manifold == "sphere" else -1.0
        torch.testing.assert_close(norms, torch.full_like(norms, sign), rtol=0, atol=1e-3)


def test_images_are_taken_as_bytes_or_in_the_unit_interval():
    encoder, *_ = build("simclr")
    encoder.eval()
    torch.testing.assert_close(encoder(images()), encoder(images().float() / 255))
    assert encoder.features(images()).shape == (16, 16)
    assert encoder.prepare(images()).is_contiguous(memory_format=torch.channels_last)


def test_compiled_networks_are_used():
    encoder, objective, _ = build("simclr")
    objective.network = torch.compile(encoder, backend="eager")
    expected = build("simclr")[1](images())
    torch.testing.assert_close(objective(images()), expected)


def test_pairs_are_described():
    z = torch.eye(3)
    assert describe_pairs(z, z, Sphere())["invariance"] == 0
    opposite = describe_pairs(z, -z, Sphere())
    assert opposite == {
        "distance": pytest.approx(torch.pi),
        "invariance": 2,
        "positive_cosine": -1,
    }
    x = Hyperboloid().project(torch.tensor([[0.0, 0.0], [0.5, 0.0]]))
    described = describe_pairs(x[:1], x[1:], Hyperboloid())
    torch.testing.assert_close(described, {"distance": Hyperboloid().dist(x[0], x[1])})


def test_arguments_are_checked():
    _, objective, _ = build("care-simclr")
    with pytest.raises(ValueError, match="a batch of 6 images does not divide into num_chunks=4"):
        objective(images(6))
