"""The image figures of CARE, drawn without a display from what `images.figures` measures.

Results are by label, a method or λ, and there is one for each seed.
"""

from __future__ import annotations

import math
import os
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import SubplotSpec
from torch import Tensor

from equiform.augment import ImageAugmentation, unit_interval
from equiform.augment.images import P
from figures import write_figure

Results = Mapping[str, Sequence[Mapping[str, Any]]]

_SHOWN = 3  # transformations whose histogram is drawn


def plot_wahba(results: Results, file: str | os.PathLike[str]) -> None:
    """Draw W_f of each transformation, a panel a group and a column a method.

    Args:
        results: of ``wahba_distribution``.
        file: the PNG to write.
    """
    figure = Figure(figsize=(8, 3.4), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for panel, group in zip(panels, ("O(d)", "SO(d)"), strict=True):
        _strips(panel, {label: [run[group] for run in seeds] for label, seeds in results.items()})
        panel.set_title(group, fontsize=9)
    panels[0].set_ylim(bottom=0)
    panels[0].set_ylabel("$W_f$, relative, on held-out images", fontsize=8)
    panels[0].legend(fontsize=7, loc="lower left")
    write_figure(figure, file)


def plot_circle(results: Results, file: str | os.PathLike[str]) -> None:
    """Draw how far fixed transformations turn the images on the circle, and how unevenly.

    Args:
        results: of ``cosine_distribution``; histograms are those of the first seed.
        file: the PNG to write.
    """
    shown = min(_SHOWN, *(len(seeds[0]["counts"]) for seeds in results.values()))
    figure = Figure(figsize=(3 * shown + 4, 3.2), layout="constrained")
    *panels, variances = figure.subplots(1, shown + 1, width_ratios=[3] * shown + [4])
    for i, panel in enumerate(panels):
        for k, (label, seeds) in enumerate(results.items()):
            _histogram(panel, seeds[0]["counts"][i], label, f"C{k}")
        panel.sharey(panels[0])
        panel.set_title(f"augmentation {i + 1}", fontsize=9)
        panel.set_xlabel("cosine of f(x) and f(a x)", fontsize=8)
    panels[0].set_ylabel("share of images", fontsize=8)
    panels[0].legend(fontsize=8, loc="upper left")
    _strips(variances, results)
    variances.set_title("variance of the cosine, each augmentation", fontsize=9)
    variances.set_ylim(bottom=0)
    variances.legend(fontsize=7)
    write_figure(figure, file)


def plot_similarity(results: Results, file: str | os.PathLike[str]) -> None:
    """Draw the cosine of positive pairs: at the end by method, and its mean over training.

    Args:
        results: of ``positive_cosines`` with ``over_training``, epochs and values; histograms are
            those of the first seed.
        file: the PNG to write.
    """
    columns = 3
    rows = -(-len(results) // columns)
    figure = Figure(figsize=(10, 1.8 * rows + 0.4), layout="constrained")
    grid = figure.add_gridspec(rows, columns + 2)
    curves = figure.add_subplot(grid[:, columns:])
    for i, (label, seeds) in enumerate(results.items()):
        panel = figure.add_subplot(grid[divmod(i, columns)])
        _histogram(panel, seeds[0]["counts"], label, f"C{i}")
        panel.axvline(seeds[0]["mean"], color="0.2", linestyle=":", linewidth=1)
        panel.set_title(f"{label}, mean {seeds[0]['mean']:.2f}", fontsize=8)
        panel.set_xlim(-1, 1)
        if i + columns >= len(results):
            panel.set_xlabel("cosine, test pairs", fontsize=8)
        if i % columns == 0:
            panel.set_ylabel("share of pairs", fontsize=8)
        _curves(curves, label, [run["over_training"] for run in seeds], f"C{i}")
    curves.set_title("mean cosine of training pairs", fontsize=9)
    curves.set_xlabel("epoch", fontsize=8)
    curves.tick_params(labelsize=7)
    curves.legend(fontsize=7, ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.13))
    write_figure(figure, file)


def plot_training(results: Results, file: str | os.PathLike[str]) -> None:
    """Draw γ_b, γ_f and L_inv over training, a thin line a seed.

    Args:
        results: for each run ``gamma_b``, ``gamma_f`` and ``invariance``, each a pair of epochs
            and values.
        file: the PNG to write.
    """
    titles = {
        "gamma_b": r"$\gamma_b$, validation images",
        "gamma_f": r"$\gamma_f$, validation images",
        "invariance": r"$\mathcal{L}_\mathrm{inv}$, training images",
    }
    figure = Figure(figsize=(10, 3), layout="constrained")
    panels = figure.subplots(1, 3)
    for panel, (name, title) in zip(panels, titles.items(), strict=True):
        for i, (label, seeds) in enumerate(results.items()):
            _curves(panel, label, [run[name] for run in seeds], f"C{i}")
        panel.set_title(title, fontsize=9)
        panel.set_xlabel("epoch", fontsize=8)
        panel.set_ylim(bottom=0)
        panel.tick_params(labelsize=7)
    panels[-1].legend(fontsize=8)
    write_figure(figure, file)


def plot_losses(results: Results, chance: float, file: str | os.PathLike[str]) -> None:
    """Draw the accuracy of linear probes, a bar a loss, and the standard deviation over seeds.

    Args:
        results: of ``probe_score``.
        chance: accuracy of the most frequent class.
        file: the PNG to write.
    """
    figure = Figure(figsize=(1.1 * len(results) + 1.5, 3.2), layout="constrained")
    panel = figure.subplots()
    mean, deviation = _over_seeds(results, "probe_top1")
    bars = panel.bar(list(results), mean, yerr=deviation, color="C0", width=0.65)
    panel.bar_label(bars, [f"{100 * value:.1f}" for value in mean], fontsize=8, padding=3)
    panel.axhline(chance, color="0.4", linestyle="--", linewidth=1, label="most frequent class")
    panel.set_ylabel("linear probe, top-1", fontsize=8)
    panel.set_ylim(0, 1.2 * max(chance, *mean))  # room for labels and legend
    panel.tick_params(labelsize=8)
    panel.legend(fontsize=7)
    write_figure(figure, file)


def plot_weights(results: Results, file: str | os.PathLike[str]) -> None:
    """Draw linear probe and W_f against λ, with the standard deviation over seeds.

    Args:
        results: of ``evaluate_images``; labels that are numbers are λ, others are drawn as levels.
        file: the PNG to write.
    """
    levels = {label: seeds for label, seeds in results.items() if not _is_number(label)}
    swept = {label: seeds for label, seeds in results.items() if label not in levels}
    weights = [float(label) for label in swept]
    names = {"probe_top1": "linear probe, top-1", "wahba": "$W_f$ over O(d)"}
    figure = Figure(figsize=(8, 3), layout="constrained")
    panels = figure.subplots(1, 2)
    for panel, (name, title) in zip(panels, names.items(), strict=True):
        mean, deviation = _over_seeds(swept, name)
        panel.errorbar(weights, mean, yerr=deviation, marker="o", capsize=3, label="with λ")
        for i, (label, level) in enumerate(zip(levels, _over_seeds(levels, name)[0], strict=True)):
            panel.axhline(level, color=f"C{i + 1}", linestyle="--", label=label)
        panel.set_xscale("log")
        panel.set_xlabel("λ", fontsize=8)
        panel.set_title(title, fontsize=9)
        panel.tick_params(labelsize=7)
    null = _over_seeds(swept, "wahba_null")[0]
    panels[1].plot(weights, null, color="0.5", linestyle=":", label="shuffled pairs")
    panels[1].set_ylim(bottom=0)
    for panel in panels:
        panel.legend(fontsize=7)
    write_figure(figure, file)


def plot_retrieval(
    results: Results,
    images: Tensor,
    augmentation: ImageAugmentation[P],
    parameters: P,
    file: str | os.PathLike[str],
) -> None:
    """Draw queries, what is looked for, and its neighbours, the right one in a frame.

    Args:
        results: of ``retrieve``; the first seed is drawn.
        images: that were looked for, uint8, on the CPU.
        augmentation: of the gallery.
        parameters: of its transformations.
        file: the PNG to write.
    """
    neighbours = {label: torch.tensor(seeds[0]["neighbours"]) for label, seeds in results.items()}
    num_queries, top, _ = next(iter(neighbours.values())).shape
    queries = torch.arange(num_queries)
    wanted = torch.stack([queries % len(parameters), queries], dim=-1)

    def pictures(pairs: Tensor) -> Tensor:
        transformation, image = pairs.unbind(-1)
        return augmentation.apply(images[image], parameters[transformation])

    columns = [1, 1, *[top] * len(results)]
    figure = Figure(figsize=(0.7 * sum(columns) + 0.4 * len(columns), 0.78 * num_queries + 0.4))
    sheet = figure.add_gridspec(
        1,
        len(columns),
        width_ratios=columns,
        wspace=0.06,
        left=0.01,
        right=0.99,
        bottom=0.02,
        top=0.93,
    )
    _pictures(figure, sheet[0], unit_interval(images[queries])[:, None], "x")
    _pictures(figure, sheet[1], pictures(wanted)[:, None], "a x")
    for i, (label, pairs) in enumerate(neighbours.items(), start=2):
        found = pictures(pairs.flatten(0, 1)).unflatten(0, pairs.shape[:2])
        right = (pairs == wanted[:, None]).all(-1)
        _pictures(figure, sheet[i], found, f"{label}: nearest to T f(x)", right)
    write_figure(figure, file)


def _pictures(
    figure: Figure, cell: SubplotSpec, images: Tensor, title: str, framed: Tensor | None = None
) -> None:
    """Draw pictures ``(rows, columns, 3, h, w)`` as a grid, some of them in a frame."""
    rows, columns = images.shape[:2]
    grid = cell.subgridspec(rows, columns, wspace=0.1, hspace=0.1)
    for r in range(rows):
        for c in range(columns):
            panel = figure.add_subplot(grid[r, c])
            panel.imshow(images[r, c].permute(1, 2, 0).numpy())
            panel.set(xticks=[], yticks=[])
            framing = framed is not None and bool(framed[r, c])
            panel.spines[:].set(visible=framing, color="limegreen", linewidth=3)
            if r == 0 and c == columns // 2:
                panel.set_title(title, fontsize=9)


def _strips(panel: Axes, results: Results) -> None:
    """Each transformation a dot, the mean a line, and the null a dotted one."""
    for i, seeds in enumerate(results.values()):
        each = [value for run in seeds for value in run["each"]]
        # Beside each other in the order of size, so that no dot hides another.
        order = torch.tensor(each).argsort().argsort() % 5
        panel.scatter(i + (order - 2) * 0.07, each, s=12, color=f"C{i}", alpha=0.7)
        worst = max(run["worst"] for run in seeds)
        text = panel.annotate(f"worst {worst:.3g}", (i, worst), (0, 5), textcoords="offset points")
        text.set(ha="center", fontsize=7)
        mean, null = (statistics.fmean(run[name] for run in seeds) for name in ("mean", "null"))
        ends = [i - 0.3, i + 0.3]
        panel.plot(ends, [mean, mean], color="0.2", label=_once("mean", i))
        panel.plot(ends, [null, null], color="0.2", linestyle=":", label=_once("shuffled", i))
    panel.set_xticks(range(len(results)), list(results), fontsize=8)
    panel.set_xlim(-0.5, len(results) - 0.5)
    panel.margins(y=0.12)
    panel.tick_params(axis="y", labelsize=7)


def _once(label: str, i: int) -> str | None:
    """A label for the legend, which names it once."""
    return None if i else label


def _histogram(panel: Axes, counts: Sequence[int], label: str, color: str) -> None:
    edges = torch.linspace(-1, 1, len(counts) + 1)
    shares = torch.tensor(counts) / sum(counts)
    panel.stairs(shares, edges, fill=True, alpha=0.35, color=color)
    panel.stairs(shares, edges, label=label, color=color)
    panel.set_xticks([-1, -0.5, 0, 0.5, 1])
    panel.tick_params(labelsize=7)


def _curves(
    panel: Axes, label: str, seeds: Iterable[tuple[Sequence[float], Sequence[float]]], color: str
) -> None:
    for i, (epochs, values) in enumerate(seeds):
        if values:
            style: dict[str, Any] = {"color": color, "linewidth": 1.2}
            style |= {"marker": ".", "markersize": 3}
            panel.plot(epochs, values, label=_once(label, i), **style)


def _over_seeds(results: Results, name: str) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of each label; the latter is 0 for one seed."""
    values = [[run[name] for run in seeds] for seeds in results.values()]
    deviation = [statistics.stdev(v) if len(v) > 1 else 0.0 for v in values]
    return [math.fsum(v) / len(v) for v in values], deviation


def _is_number(label: str) -> bool:
    try:
        float(label)
    except ValueError:
        return False
    return True
