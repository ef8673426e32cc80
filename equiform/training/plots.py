"""Figures of a comparison of methods, drawn without a display."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from equiform._extras import require

require("matplotlib", extra="plots")
from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402

AXES = ("about x", "about y", "about z")


def plot_trajectories(paths: Mapping[str, Tensor], file: str | os.PathLike[str]) -> None:
    """Draw how embeddings move while the input turns, a row a method and a column an axis.

    Args:
        paths: for each method ``(inputs, 3, angles, 2)``: input, axis of rotation, angle, and the
            coordinates in a plane.
        file: the PNG to write.
    """
    figure = Figure(figsize=(8, 2.6 * len(paths)), layout="constrained")
    grid = figure.subplots(len(paths), 3, squeeze=False, sharex="row", sharey="row")
    for row, (method, points) in zip(grid, paths.items(), strict=True):
        hue = torch.linspace(0, 360, points.shape[2])
        for axis, (panel, title) in enumerate(zip(row, AXES, strict=True)):
            for path in points[:, axis]:
                panel.plot(*path.mT, color="0.8", linewidth=0.8, zorder=1)
                dots = panel.scatter(*path.mT, c=hue, cmap="twilight", s=7, zorder=2)
            panel.set_title(f"{method}, {title}", fontsize=9)
            panel.set_aspect("equal", adjustable="box")
            panel.tick_params(labelsize=7)
    figure.colorbar(dots, ax=grid, label="rotation (degrees)", shrink=0.6)
    write_figure(figure, file)


def plot_axis_error(median_angles: Mapping[str, float], file: str | os.PathLike[str]) -> None:
    """Draw the median angle, in degrees, between predicted and true axes, a bar a method."""
    figure = Figure(figsize=(5, 3), layout="constrained")
    panel = figure.subplots()
    bars = panel.bar(list(median_angles), list(median_angles.values()), color="#4c72b0", width=0.6)
    panel.bar_label(bars, fmt="%.2f°", fontsize=9)
    panel.set_ylabel("median error of the first principal axis (°)", fontsize=8)
    panel.margins(y=0.12)
    write_figure(figure, file)


def write_figure(figure: Figure, file: str | os.PathLike[str]) -> None:
    """Write a figure as a PNG, and make its folder."""
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    # Not through pyplot: it would choose a backend, and keep the figure for ever.
    FigureCanvasAgg(figure).print_png(os.fspath(file))
