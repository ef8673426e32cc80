"""Several processes equal one on the whole batch: views, losses, gradients and whole runs."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from equiform import Sphere
from equiform.augment import unit_interval
from equiform.data import synthetic_shapes
from images.data import ImageBatches, ImageSplits
from images.objective import ImageObjective
from images.parts import build_objective
from images.settings import Settings
from images.train import train_images
from tests.distributed.ranks import on_ranks

N, SIZE = 16, 8
SETTINGS = Settings(image_size=SIZE, num_chunks=4, queue_size=24, weight=0.2)
METHODS = ["simclr", "care-simclr", "moco", "care-moco", "inv+unif+equi"]


class PlainEncoder(nn.Module):
    """An encoder without batch norms, whose statistics would differ from process to process."""

    dim = 4

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 5, 3, stride=2), nn.SiLU(), nn.Flatten(), nn.Linear(45, self.dim)
        )
        self.manifold = Sphere()

    def forward(self, x):
        return self.manifold.project(self.layers(x))


def images():
    """In double precision, so that views of a share are those of the whole to 1e-15."""
    return unit_interval(synthetic_shapes(N, size=SIZE, seed=3).images).double()


def terms_and_gradients(rank, size, one_pair):
    """For each method the mean terms over processes and the gradients, of two steps."""
    results = []
    for method in METHODS:
        torch.manual_seed(0)
        encoder = PlainEncoder().double()
        network = DistributedDataParallel(encoder) if size > 1 else encoder
        objective = build_objective(
            replace(SETTINGS, method=method, one_pair=one_pair),
            encoder,
            generator=torch.Generator().manual_seed(1),
            network=lambda x, network=network: network(x.double()),
        )
        if "moco" in method:
            objective.queue.double()
            objective.momentum_encoder.forward = lambda x, o=objective: o.momentum_encoder.module(
                x.double()
            )
        batches = ImageBatches(images(), N, torch.Generator().manual_seed(2))
        for _ in range(2):
            for batch in batches:
                encoder.zero_grad()
                terms = objective(batch)
                terms["loss"].backward()
                objective.after_step()
        results.append(
            {
                "terms": {name: value.detach().double() for name, value in terms.items()},
                "gradients": [p.grad for p in encoder.parameters()],
                "queue": objective.queue.embeddings() if "moco" in method else torch.zeros(0),
            }
        )
    return results


def whole_run(folder):
    """Losses and parameters of a run, which resumed at its end is left as it is."""
    part = synthetic_shapes(40, size=SIZE, seed=4)
    splits = ImageSplits(part, part, part, part)
    settings = replace(
        SETTINGS, width=2, head=(8, 4), epochs=2, batch_size=N, validation=0.1, measure_every=1
    )
    encoder, history = train_images(settings, splits, folder)
    again, resumed = train_images(settings, splits, folder, resume=True)
    assert resumed.losses == history.losses
    parameters = [p.detach() for p in encoder.parameters()]
    assert all(torch.equal(p, q) for p, q in zip(parameters, again.parameters(), strict=True))
    return {"losses": history.losses, "parameters": parameters}


def check(rank, size, folder):
    """All that is done on two processes, which take seconds to start."""
    encoder = PlainEncoder()
    with pytest.raises(ValueError, match="num_chunks=3 does not divide among 2 processes"):
        build_objective(replace(SETTINGS, method="equi", num_chunks=3), encoder)
    with pytest.raises(ValueError, match="batch_size=5 does not divide among 2 processes"):
        ImageBatches(images(), 5, torch.Generator())
    objectives = [terms_and_gradients(rank, size, one_pair) for one_pair in (False, True)]
    return {"objectives": objectives, "run": whole_run(folder)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("ranks")


@pytest.fixture(scope="module")
def ranks(folder):
    return on_ranks(2, check, folder, str(folder / "run"))


@pytest.mark.parametrize("one_pair", [False, True])
def test_processes_equal_one_on_the_whole_batch(one_pair, ranks):
    alone = terms_and_gradients(0, 1, one_pair)
    tight = {"rtol": 1e-9, "atol": 1e-11}
    for i, (method, whole) in enumerate(zip(METHODS, alone, strict=True)):
        shares = [rank["objectives"][one_pair][i] for rank in ranks]
        for name, value in whole["terms"].items():
            mean = torch.stack([share["terms"][name] for share in shares]).mean()
            torch.testing.assert_close(mean, value, msg=f"{method} {name}", **tight)
        for share in shares:
            torch.testing.assert_close(share["gradients"], whole["gradients"], **tight)
            torch.testing.assert_close(share["queue"], whole["queue"], **tight)


def test_a_run_of_two_processes_is_one_run(ranks, folder):
    first, second = (rank["run"] for rank in ranks)
    # Both take the steps of one averaged gradient, which is sent to them: the same bits.
    assert first["losses"] == second["losses"]
    assert all(map(torch.equal, first["parameters"], second["parameters"]))
    assert (folder / "run" / "encoder.pt").exists()
    assert len((folder / "run" / "log.csv").read_text().splitlines()) == 3


def test_an_objective_is_no_module():
    # Its network may be a wrapper of its encoder, which would be in checkpoints twice.
    assert not issubclass(ImageObjective, nn.Module)
