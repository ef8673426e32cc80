from pathlib import Path

import pytest
import torch
from torch import Tensor

from proteins.plots import plot_axis_error, plot_trajectories


def paths(*methods: str, num_chains: int = 3) -> dict[str, Tensor]:
    """Closed paths of the size of those of the example."""
    t = torch.linspace(0, 2 * torch.pi, 73)
    radius = torch.rand(num_chains, 3, 1, 1, generator=torch.Generator().manual_seed(0))
    return dict.fromkeys(methods, radius * torch.stack([t.cos(), t.sin()], -1))


def draw_all(folder: Path) -> None:
    methods = ("care", "simclr", "uniformity", "invariance")
    plot_trajectories(paths(*methods), folder / "trajectories.png")
    plot_axis_error(dict.fromkeys(methods, (0.5, 0.4, 0.6)), 153, folder / "pc1_error.png")


@pytest.mark.parametrize("name", ["trajectories", "pc1_error"])
def test_figures_are_written_in_both_formats_and_are_the_same_bytes_twice(
    name: str, tmp_path: Path
) -> None:
    for folder in ("one", "two"):
        draw_all(tmp_path / folder)
    for suffix, start in ((".png", b"\x89PNG\r\n\x1a\n"), (".svg", b"<?xml")):
        one, two = ((tmp_path / folder / name).with_suffix(suffix) for folder in ("one", "two"))
        assert one.read_bytes().startswith(start)
        assert one.read_bytes() == two.read_bytes()
    assert b"dc:date" not in (tmp_path / "one" / f"{name}.svg").read_bytes()
    assert len(list((tmp_path / "one").iterdir())) == 4  # and nothing unfinished


def test_the_svg_stays_small(tmp_path: Path) -> None:
    draw_all(tmp_path)
    assert (tmp_path / "trajectories.svg").stat().st_size < 320_000


@pytest.mark.parametrize(
    "errors",
    [
        {"care": (0.4, 0.3, 0.5)},
        {"care": (0.4, 0.3, 0.5), "invariance": (12.0, 11.0, 14.0)},  # a logarithmic axis
        {"care": (0.0, 0.0, 0.0)},
    ],
)
def test_any_range_of_errors_can_be_drawn(
    errors: dict[str, tuple[float, float, float]], tmp_path: Path
) -> None:
    plot_axis_error(errors, 1, tmp_path / "error.png")
    assert (tmp_path / "error.svg").exists()


@pytest.mark.parametrize("num_chains", [1, 9])
def test_any_number_of_chains_can_be_drawn(num_chains: int, tmp_path: Path) -> None:
    plot_trajectories(paths("care", num_chains=num_chains), tmp_path / "paths.png")
    assert (tmp_path / "paths.svg").exists()
