"""The figures of a report, as SVG that stands by itself."""

from __future__ import annotations

import io
from typing import Any

from equiform._extras import require

require("matplotlib", extra="plots")
import matplotlib  # noqa: E402
from matplotlib.backends.backend_svg import FigureCanvasSVG  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402

from equiform.report.result import Report, Row  # noqa: E402
from equiform.report.verdicts import IGNORED, REPRESENTED, SCRAMBLED, Verdict  # noqa: E402

COLORS = {
    Verdict.IGNORED: "#4c78a8",
    Verdict.REPRESENTED: "#2e8b57",
    Verdict.PARTLY: "#c98a00",
    Verdict.SCRAMBLED: "#c0392b",
    Verdict.CONSTANT: "#777777",
}
GREY = "#8a8f98"
WIDTH = 7.5
#: Height of a transformation's line, in inches as the width.
ROW = 0.32


def draw(report: Report) -> dict[str, str]:
    """All figures by name; without ``angles`` where the group is not compact."""
    drawn = {
        "errors": errors(report),
        "map": verdict_map(report),
        "angles": angles(report),
        "spectrum": spectrum(report),
    }
    return {name: svg for name, svg in drawn.items() if svg is not None}


def errors(report: Report) -> str:
    """W_f with its interval, against the null and the invariance error; a line a transformation."""
    figure, panel = _lines(report)
    for y, row in enumerate(report):
        panel.plot([0, row.error], [y, y], color=_color(row), linewidth=1.2, alpha=0.5)
        panel.plot([row.low, row.high], [y, y], color=_color(row), linewidth=5, alpha=0.35)
        panel.plot(row.error, y, "o", color=_color(row), markersize=6, zorder=3)
        panel.plot(row.null, y, "|", color="#222222", markersize=13, markeredgewidth=1.8)
        panel.plot(row.invariance_error, y, "D", color=GREY, markersize=5, fillstyle="none")
    handles = [
        panel.plot([], [], "o", color=GREY, label="W_f, with its 95% interval")[0],
        panel.plot([], [], "D", color=GREY, fillstyle="none", label="T = I (invariance error)")[0],
        panel.plot([], [], "|", color="#222222", markersize=11, label="null: shuffled pairs")[0],
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=3, frameon=False, fontsize=8)
    panel.set_xlabel("relative error on points that were not fitted")
    panel.set_xlim(left=-0.02 * max(panel.get_xlim()[1], 0.1))
    return _svg(figure)


def verdict_map(report: Report) -> str:
    """Displacement against W_f / null, with the regions of the verdicts; points are row numbers."""
    figure = Figure(figsize=(WIDTH, 4.6), layout="constrained")
    panel = figure.subplots()
    rows = [(n, row) for n, row in enumerate(report, 1) if row.displacement is not None]
    right = 1.08 * max([1.1, *(row.displacement or 0 for _, row in rows)])
    top = 1.06 * max([1.1, *(row.ratio or 0 for _, row in rows)])
    regions = [
        ([(0, 0), (IGNORED, 0), (IGNORED, top), (0, top)], Verdict.IGNORED),
        (
            [
                (IGNORED, 0),
                (IGNORED, REPRESENTED * IGNORED),
                (1, REPRESENTED),
                (right, REPRESENTED),
                (right, 0),
            ],
            Verdict.REPRESENTED,
        ),
        (
            [(IGNORED, SCRAMBLED), (IGNORED, top), (right, top), (right, SCRAMBLED)],
            Verdict.SCRAMBLED,
        ),
    ]
    for corners, verdict in regions:
        panel.fill(*zip(*corners, strict=True), color=COLORS[verdict], alpha=0.13, linewidth=0)
    labels = {
        Verdict.IGNORED: (IGNORED / 2, (SCRAMBLED + REPRESENTED) / 2, 90),
        Verdict.REPRESENTED: (0.8 * right, 0.3 * REPRESENTED, 0),
        Verdict.PARTLY: ((IGNORED + right) / 2, (SCRAMBLED + REPRESENTED) / 2, 0),
        Verdict.SCRAMBLED: ((IGNORED + right) / 2, (SCRAMBLED + top) / 2, 0),
    }
    for verdict, (x, y, rotation) in labels.items():
        panel.text(
            x,
            y,
            verdict,
            color=COLORS[verdict],
            rotation=rotation,
            ha="center",
            va="center",
            fontsize=11,
            alpha=0.75,
        )
    for n, row in rows:
        point = (row.displacement or 0, row.ratio or 0)
        panel.plot(*point, "o", color=_color(row), markersize=15, markeredgecolor="white")
        panel.annotate(str(n), point, color="white", ha="center", va="center", fontsize=8)
    panel.set_xlim(-0.05 * right, right)
    panel.set_ylim(-0.05 * top, top)
    panel.set_xlabel("moved: displacement, in units of the distance between two inputs")
    panel.set_ylabel("W_f / null")
    return _svg(figure)


def angles(report: Report) -> str | None:
    """Angles of the eigenvalues of each T, without sign; None where the group is not compact."""
    if any(row.angles is None for row in report):
        return None
    figure, panel = _lines(report)
    for y, row in enumerate(report):
        sizes = [abs(angle) for angle in row.angles or ()]
        panel.plot(
            sizes,
            [y] * len(sizes),
            "o",
            color=_color(row),
            alpha=0.35,
            markersize=7,
            markeredgewidth=0,
        )
    panel.set_xlim(-6, 186)
    panel.set_xticks(range(0, 181, 30), [f"{tick}°" for tick in range(0, 181, 30)])
    panel.set_xlabel("angle by which T turns a plane (0° leaves it, 180° reflects)")
    return _svg(figure)


def spectrum(report: Report) -> str:
    """Share of the second moment along each of its directions, with the effective rank."""
    figure = Figure(figsize=(WIDTH, 2.8), layout="constrained")
    panel = figure.subplots()
    shares = [100 * share for share in report.spectrum]
    panel.bar(range(1, len(shares) + 1), shares, width=0.85, color="#4c78a8")
    panel.axvline(report.effective_rank + 0.5, color="#c0392b", linewidth=1.4, linestyle="--")
    panel.annotate(
        f"effective rank {report.effective_rank:.1f} of {report.dim}",
        (report.effective_rank + 0.5, 0.95),
        xycoords=("data", "axes fraction"),
        xytext=(-6 if report.effective_rank > 0.6 * report.dim else 6, 0),
        textcoords="offset points",
        va="top",
        color="#c0392b",
        fontsize=9,
        ha="right" if report.effective_rank > 0.6 * report.dim else "left",
    )
    panel.set_xlim(0.3, len(shares) + 0.7 + (len(shares) == 1))
    panel.set_xlabel("direction, by energy")
    panel.set_ylabel("share of the energy (%)")
    _plain(panel)
    return _svg(figure)


def _lines(report: Report) -> tuple[Figure, Any]:
    """A panel with a line for each transformation, numbered as in the table."""
    figure = Figure(figsize=(WIDTH, 1.1 + ROW * len(report)), layout="constrained")
    panel = figure.subplots()
    names = [f"{n}  {_short(row.name)}" for n, row in enumerate(report, 1)]
    panel.set_yticks(range(len(report)), names)
    panel.set_ylim(len(report) - 0.5, -0.5)
    panel.grid(axis="x", color="#e6e8eb", linewidth=0.8)
    panel.set_axisbelow(True)
    _plain(panel)
    panel.spines["left"].set_visible(False)
    panel.tick_params(axis="y", length=0)
    return figure, panel


def _plain(panel: Any) -> None:
    panel.spines[["top", "right"]].set_visible(False)


def _short(name: str) -> str:
    # A dollar would begin a formula.
    return (name if len(name) <= 36 else name[:35] + "…").replace("$", r"\$")


def _color(row: Row) -> str:
    return COLORS[row.verdict]


def _svg(figure: Figure) -> str:
    """The figure as an SVG element, without its header, and the same bytes each time."""
    stream = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    # Not through pyplot: it would choose a backend, and keep the figure for ever.
    with matplotlib.rc_context({"svg.hashsalt": "equiform", "font.family": "DejaVu Sans"}):
        FigureCanvasSVG(figure).print_svg(stream, metadata=nothing)
    text = stream.getvalue()
    return text[text.index("<svg") :]
