"""Figures of a comparison of methods, drawn without a display."""

from __future__ import annotations

import os
from collections.abc import Mapping
from itertools import cycle
from pathlib import Path
from textwrap import fill
from typing import Any

import torch
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter
from torch import Tensor

from equiform.training import write_json
from figures import write_figure

AXES = ("about x", "about y", "about z")
MARKERS = "osD^vP"  # of the inputs whose paths are drawn
DOT_EVERY = 20  # degrees: how even the steps are can be seen, and the SVG stays small
DPI = 150
BLUE = "#0072b2"


def plot_trajectories(paths: Mapping[str, Tensor], file: str | os.PathLike[str]) -> None:
    """Draw how embeddings move while the input turns, a column a method and a row an axis.

    Args:
        paths: for each method ``(inputs, 3, angles, 2)``: input, axis of rotation, angle from 0 to
            360°, and the coordinates in a plane.
        file: the PNG to write; the SVG is written beside it.
    """
    num_chains, _, num_angles, _ = next(iter(paths.values())).shape
    angles = torch.linspace(0, 360, num_angles)
    dots = torch.arange(0, num_angles - 1, max(1, round(DOT_EVERY * (num_angles - 1) / 360)))
    limit = 1.1 * max(path.abs().max().item() for path in paths.values())
    figure = Figure(figsize=(2.1 * len(paths) + 1.6, 7.6), dpi=DPI, layout="constrained")
    grid = figure.subplots(3, len(paths), squeeze=False, sharex=True, sharey=True)
    for column, (method, of_method) in zip(grid.T, paths.items(), strict=True):
        column[0].set_title(method, fontsize=12, weight="bold")
        for axis, panel in enumerate(column):
            for path, marker in zip(of_method[:, axis], cycle(MARKERS), strict=False):
                panel.plot(*path.mT, color="0.7", linewidth=0.9, zorder=1)
                panel.scatter(
                    *path[dots].mT,
                    c=angles[dots],
                    cmap="twilight",  # cyclic, and told apart by lightness where hues are not
                    vmin=0,
                    vmax=360,
                    marker=marker,
                    s=20,
                    edgecolors="0.3",
                    linewidths=0.4,
                    zorder=2,
                    clip_on=False,
                )
            panel.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")
            panel.set(xticks=[-0.5, 0, 0.5], yticks=[-0.5, 0, 0.5])
            panel.grid(color="0.92", linewidth=0.8)
            panel.set_axisbelow(True)
            panel.spines[:].set_color("0.6")
            panel.tick_params(labelsize=8, color="0.6")
    for row, about in zip(grid, AXES, strict=True):
        row[0].set_ylabel(f"turned {about}\n\nprincipal component 2\n(no unit)", fontsize=9)
    for panel in grid[-1]:
        panel.set_xlabel("principal component 1\n(no unit)", fontsize=9)
    bar = figure.colorbar(
        grid[-1, -1].collections[-1], ax=grid, shrink=0.6, aspect=30, ticks=range(0, 361, 90)
    )
    bar.set_label("how far the chain is turned (°)", fontsize=9)
    bar.ax.tick_params(labelsize=8)
    _caption(
        figure,
        f"How the embeddings of {num_chains} chains, which were not trained on, move while each "
        "chain turns once about an axis. The shape of a marker tells the chain; there is one every "
        f"{DOT_EVERY}°. Each path is seen in the plane of its own two leading principal "
        "components: where rotations act on the embedding by orthogonal matrices, it is a circle "
        "with evenly spaced markers.",
    )
    write_figure(figure, file)


def plot_axis_error(
    errors: Mapping[str, tuple[float, ...]], num_chains: int, file: str | os.PathLike[str]
) -> None:
    """Draw the median angle between predicted and true axes with its interval, a line a method.

    Args:
        errors: by method the median and the ends of its interval, in degrees.
        num_chains: on which it was measured.
        file: the PNG to write; the SVG is written beside it.
    """
    figure = Figure(figsize=(7, 0.42 * len(errors) + 1.9), dpi=DPI, layout="constrained")
    panel = figure.subplots()
    beside = panel.get_yaxis_transform()
    for y, (median, low, high) in enumerate(errors.values()):
        panel.plot([low, high], [y, y], color=BLUE, linewidth=6, alpha=0.4, solid_capstyle="butt")
        panel.plot(median, y, "|", color=BLUE, markersize=14, markeredgewidth=2)
        numbers = f"{median:.2f}°  [{low:.2f}, {high:.2f}]"
        panel.text(1.02, y, numbers, transform=beside, va="center", fontsize=9)
    lowest, highest = min(e[1] for e in errors.values()), max(e[2] for e in errors.values())
    if highest > 5 * lowest > 0:
        panel.set_xscale("log")
        panel.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        panel.xaxis.set_major_formatter("{x:g}")
        panel.xaxis.set_minor_formatter(NullFormatter())
    else:
        panel.set_xlim(0, 1.05 * highest or 1)
    panel.set_yticks(range(len(errors)), list(errors), fontsize=10)
    panel.set_ylim(len(errors) - 0.5, -0.5)
    scale = ", on a logarithmic scale" if panel.get_xscale() == "log" else ""
    panel.set_xlabel(f"median angle between the axis read and the true one (°){scale}", fontsize=9)
    panel.text(1.02, -0.5, "median, 95 % interval", transform=beside, va="bottom", fontsize=9)
    panel.tick_params(axis="x", labelsize=9)
    panel.tick_params(axis="y", length=0)
    panel.grid(axis="x", color="0.92")
    panel.set_axisbelow(True)
    panel.spines[["top", "right", "left"]].set_visible(False)
    _caption(
        figure,
        "How well a linear probe reads the longest axis of a turned chain from its embedding: "
        f"less is better, a guess is 60° off. {num_chains} chains that were not trained on; the "
        "bars are 95 % intervals over chains, of one training, without the spread between seeds.",
    )
    write_figure(figure, file)


def write_comparison(out: Path, record: Mapping[str, Any], paths: Mapping[str, Tensor]) -> None:
    """Write metrics.json, and as PNG and SVG the figures trajectories and pc1_error.

    Args:
        out: folder for the files.
        record: what metrics.json is to hold; ``record["methods"]`` has the scores by method, and
            ``record["chains"]`` the numbers of chains, those measured on last.
        paths: trajectories by method, of :func:`proteins.trace_chains`.
    """
    methods = record["methods"]
    *_, measured = record["chains"].values()
    write_json(out / "metrics.json", record)
    plot_trajectories(paths, out / "trajectories.png")
    ends = ("median", "low", "high")
    errors = {m: tuple(row[f"pc1_angle_deg_{end}"] for end in ends) for m, row in methods.items()}
    plot_axis_error(errors, measured, out / "pc1_error.png")


def _caption(figure: Figure, text: str) -> None:
    """Write what a figure shows above it, in lines as wide as it."""
    width = int(12.8 * figure.get_figwidth())  # characters
    figure.suptitle(fill(text, width), fontsize=10, x=0.015, ha="left", linespacing=1.4)
