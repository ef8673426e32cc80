import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from equiform.augment import CloudBatch
from equiform.data import ProteinDataset
from proteins import measure_rotations
from proteins.measurements import _interval_of_median


class SecondMoments(nn.Module):
    """The traceless second moment, normalised: exactly equivariant, of degree 2."""

    def forward(self, *views: CloudBatch) -> tuple[Tensor, ...]:
        return tuple(self.embed(view) for view in views)

    def embed(self, view: CloudBatch) -> Tensor:
        outer = view.pos.unsqueeze(-1) * view.pos.unsqueeze(-2)
        moment = torch.segment_reduce(outer, "mean", offsets=view.ptr)
        traceless = moment - torch.eye(3) / 3
        return nn.functional.normalize(traceless.flatten(1), dim=-1)


@pytest.fixture(scope="module")
def chains() -> ProteinDataset:
    return ProteinDataset.synthetic(60, min_residues=30, max_residues=40)


def test_an_equivariant_encoder_scores_as_one(chains: ProteinDataset) -> None:
    train, test = chains[:30], chains[30:]
    scores = measure_rotations(SecondMoments().eval(), train, test, seed=0)  # pyright: ignore
    assert scores["wahba"] < 1e-4
    assert scores["gamma_b"] < 1e-8
    assert scores["pc1_angle_deg_median"] < 2
    low, high = scores["pc1_angle_deg_low"], scores["pc1_angle_deg_high"]
    assert 0 < low <= scores["pc1_angle_deg_median"] <= high < 4
    assert low < high
    assert scores["wahba_null"] > 0.5
    assert scores["effective_rank"] == pytest.approx(5, abs=0.5)


@given(st.integers(1, 12), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_the_interval_holds_the_median_and_more_poses_do_not_narrow_it(
    chains: int, poses: int, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    angles = torch.rand(chains, poses, generator=generator, dtype=torch.float64) ** 3
    low, high = _interval_of_median(angles)
    assert low <= angles.median() <= high
    assert angles.min() <= low
    assert high <= angles.max()
    # The poses again tell nothing new, as they would if it were poses that are drawn.
    assert _interval_of_median(angles.repeat(1, 5)) == (low, high)


def test_the_interval_is_as_wide_as_that_of_the_order_statistics() -> None:
    # The exact 95 % interval of a median of 200: between the 86th and the 115th, by the binomial
    # distribution. A bootstrap of 1000 replicates finds its ends within a few ranks.
    angles = torch.arange(1.0, 201).view(-1, 1)
    low, high = _interval_of_median(angles)
    assert low == pytest.approx(86, abs=4)
    assert high == pytest.approx(115, abs=4)


def test_the_encoder_must_be_frozen(chains: ProteinDataset) -> None:
    with pytest.raises(RuntimeError, match="SecondMoments is in train mode"):
        measure_rotations(SecondMoments(), chains, chains, seed=0)
