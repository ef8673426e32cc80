"""The figures of a report, as SVG that stands by itself."""

from __future__ import annotations

import io
from typing import Any

from equiform._extras import require

require("matplotlib", extra="plots")
import matplotlib  # noqa: E402
from matplotlib.backends.backend_svg import FigureCanvasSVG  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402

from equiform.audit.result import Report  # noqa: E402
from equiform.audit.verdicts import IGNORED, REPRESENTED, SCRAMBLED, Verdict  # noqa: E402

COLORS = {
    Verdict.IGNORED: "#4c78a8",
    Verdict.REPRESENTED: "#2e8b57",
    Verdict.PARTLY: "#c98a00",
    Verdict.SCRAMBLED: "#c0392b",
    Verdict.CONSTANT: "#777777",
}
GREY = "#8a8f98"
#: Marks of the null and of T = I.
NULL: dict[str, Any] = {"color": "#222222", "markersize": 13, "markeredgewidth": 1.8}
IDENTITY: dict[str, Any] = {"color": GREY, "markersize": 5, "fillstyle": "none"}


def draw(report: Report) -> dict[str, str]:
    """All figures by name; without ``angles`` where the group is not compact."""
    drawn = {"errors": errors(report), "map": verdict_map(report)}
    if all(row.angles is not None for row in report):
        drawn["angles"] = angles(report)
    return drawn | {"spectrum": spectrum(report)}


def errors(report: Report) -> str:
    """W_f with its interval, against the null and the invariance error; a line a transformation."""
    figure, panel = _lines(report)
    for y, row in enumerate(report):
        color = COLORS[row.verdict]
        panel.plot([0, row.error], [y, y], color=color, linewidth=1.2, alpha=0.5)
        panel.plot([row.low, row.high], [y, y], color=color, linewidth=5, alpha=0.35)
        panel.plot(row.error, y, "o", color=color, markersize=6, zorder=3)
        panel.plot(row.null, y, "|", **NULL)
        panel.plot(row.invariance_error, y, "D", **IDENTITY)
    panel.plot([], [], "o", color=GREY, label="W_f, with its 95% interval")
    panel.plot([], [], "D", **IDENTITY, label="T = I (invariance error)")
    panel.plot([], [], "|", **NULL, label="null: shuffled pairs")
    figure.legend(loc="outside upper center", ncols=3, frameon=False, fontsize=8)
    panel.set_xlabel("relative error on points that were not fitted")
    panel.set_xlim(left=-0.02 * max(panel.get_xlim()[1], 0.1))
    return _svg(figure)


def verdict_map(report: Report) -> str:
    """Displacement against W_f / null, with the regions of the verdicts; points are row numbers."""
    figure, panel = _panel(4.6)
    points = [(row.displacement or 0, row.ratio or 0) for row in report]
    right = 1.08 * max([1.1, *(x for x, _ in points)])
    top = 1.06 * max([1.1, *(y for _, y in points)])
    middle, between = (IGNORED + right) / 2, (SCRAMBLED + REPRESENTED) / 2
    slope = [REPRESENTED * IGNORED, REPRESENTED, REPRESENTED]
    # Of each region: x, its lower and upper edge there, and the centre of its name.
    regions = {
        Verdict.IGNORED: ([0, IGNORED], 0, top, IGNORED / 2, between),
        Verdict.REPRESENTED: ([IGNORED, 1, right], 0, slope, 0.8 * right, 0.3 * REPRESENTED),
        Verdict.PARTLY: ([], 0, 0, middle, between),
        Verdict.SCRAMBLED: ([IGNORED, right], SCRAMBLED, top, middle, (SCRAMBLED + top) / 2),
    }
    centred: dict[str, Any] = {"ha": "center", "va": "center"}
    for verdict, (x, low, high, *centre) in regions.items():
        style = {"color": COLORS[verdict], "rotation": 90 * (verdict is Verdict.IGNORED)}
        panel.fill_between(x, low, high, color=COLORS[verdict], alpha=0.13, linewidth=0)
        panel.text(*centre, verdict, **style, **centred, fontsize=11, alpha=0.75)
    for n, (point, row) in enumerate(zip(points, report, strict=True), 1):
        if row.displacement is not None:
            color = COLORS[row.verdict]
            panel.plot(*point, "o", color=color, markersize=15, markeredgecolor="white")
            panel.text(*point, str(n), color="white", **centred, fontsize=8)
    panel.set_xlim(-0.05 * right, right)
    panel.set_ylim(-0.05 * top, top)
    panel.set_xlabel("moved: displacement, in units of the distance between two inputs")
    panel.set_ylabel("W_f / null")
    return _svg(figure)


def angles(report: Report) -> str:
    """Angles of the eigenvalues of each T, without sign; for a compact group."""
    figure, panel = _lines(report)
    for y, row in enumerate(report):
        sizes, color = [abs(angle) for angle in row.angles or ()], COLORS[row.verdict]
        style = {"alpha": 0.35, "markersize": 7, "markeredgewidth": 0}
        panel.plot(sizes, [y] * len(sizes), "o", color=color, **style)
    panel.set_xlim(-6, 186)
    panel.set_xticks(range(0, 181, 30), [f"{tick}°" for tick in range(0, 181, 30)])
    panel.set_xlabel("angle by which T turns a plane (0° leaves it, 180° reflects)")
    return _svg(figure)


def spectrum(report: Report) -> str:
    """Share of the second moment along each of its directions, with the effective rank."""
    figure, panel = _panel(2.8)
    rank, count = report.effective_rank, len(report.spectrum)
    shares = [100 * share for share in report.spectrum]
    panel.bar(range(1, count + 1), shares, width=0.85, color=COLORS[Verdict.IGNORED])
    red = COLORS[Verdict.SCRAMBLED]
    panel.axvline(rank + 0.5, color=red, linewidth=1.4, linestyle="--")
    text = f"  effective rank {rank:.1f} of {report.dim}  "
    side = "right" if rank > 0.6 * report.dim else "left"
    place = panel.get_xaxis_transform()
    panel.text(rank + 0.5, 0.95, text, transform=place, ha=side, va="top", color=red, fontsize=9)
    panel.set_xlim(0.3, count + 0.7 + (count == 1))
    panel.set_xlabel("direction, by energy")
    panel.set_ylabel("share of the energy (%)")
    return _svg(figure)


def _panel(height: float) -> tuple[Figure, Any]:
    """A figure of this height in inches, and its one panel."""
    figure = Figure(figsize=(7.5, height), layout="constrained")
    panel = figure.subplots()
    panel.spines[["top", "right"]].set_visible(False)
    return figure, panel


def _lines(report: Report) -> tuple[Figure, Any]:
    """A panel with a line for each transformation, numbered as in the table."""
    figure, panel = _panel(1.1 + 0.32 * len(report))
    short = [row.name if len(row.name) <= 36 else row.name[:35] + "…" for row in report]
    # A dollar would begin a formula.
    names = [f"{n}  {name}".replace("$", r"\$") for n, name in enumerate(short, 1)]
    panel.set_yticks(range(len(report)), names)
    panel.set_ylim(len(report) - 0.5, -0.5)
    panel.grid(axis="x", color="#e6e8eb", linewidth=0.8)
    panel.set_axisbelow(True)
    panel.spines["left"].set_visible(False)
    panel.tick_params(axis="y", length=0)
    return figure, panel


def _svg(figure: Figure) -> str:
    """The figure as an SVG element, without its header, and the same bytes each time."""
    stream = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    # Not through pyplot: it would choose a backend, and keep the figure for ever.
    with matplotlib.rc_context({"svg.hashsalt": "equiform", "font.family": "DejaVu Sans"}):
        FigureCanvasSVG(figure).print_svg(stream, metadata=nothing)
    text = stream.getvalue()
    return text[text.index("<svg") :]
