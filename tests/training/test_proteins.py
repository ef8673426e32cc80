from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from equiform.data import ProteinDataset
from equiform.training import Clouds, load_chains, measure_rotations, trace_chains


class SecondMoments(nn.Module):
    """The traceless second moment, normalised: exactly equivariant, of degree 2."""

    def forward(self, *views: Clouds) -> tuple[Tensor, ...]:
        return tuple(self.embed(view) for view in views)

    def embed(self, view: Clouds) -> Tensor:
        assert view.pos is not None
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
    assert scores["wahba_null"] > 0.5
    assert scores["effective_rank"] == pytest.approx(5, abs=0.5)


def test_the_encoder_must_be_frozen(chains: ProteinDataset) -> None:
    with pytest.raises(RuntimeError, match="SecondMoments is in train mode"):
        measure_rotations(SecondMoments(), chains, chains, seed=0)


def test_trajectories_are_closed(chains: ProteinDataset) -> None:
    paths = trace_chains(SecondMoments(), chains)
    assert paths.shape == (3, 3, 73, 2)
    torch.testing.assert_close(paths[:, :, 0], paths[:, :, -1], atol=1e-5, rtol=0)


def test_absent_data_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"absent\.zip' does not exist"):
        load_chains(str(tmp_path / "absent.zip"), tmp_path)
