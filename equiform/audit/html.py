"""The page of a report: one file, for a reader who has not seen one before."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from html import escape

from equiform.audit import figures
from equiform.audit.result import COLUMNS, Report, Row, number
from equiform.audit.verdicts import IGNORED, REPRESENTED, SCRAMBLED, Verdict

STYLE = """
body { font: 16px/1.55 system-ui, sans-serif; color: #1f2328; background: #f6f7f9; margin: 0 }
main { max-width: 72rem; margin: 0 auto; padding: 1.5rem 1rem 4rem }
h1 { font-size: 1.6rem; margin: .5rem 0 } h2 { font-size: 1.15rem; margin: 0 0 .5rem }
section { background: #fff; border: 1px solid #e1e4e8; border-radius: 10px; padding: 1.1rem 1.3rem;
  margin: 1rem 0 }
p, ul { margin: .4rem 0 } ul { padding-left: 1.2rem }
.quiet { color: #57606a } .warning { border-left: 5px solid #c98a00; background: #fff8e6 }
.scroll { overflow-x: auto }
table { border-collapse: collapse; font-size: .88rem; width: 100% }
th, td { padding: .38rem .5rem; text-align: right; border-bottom: 1px solid #eceef0;
  white-space: nowrap; font-variant-numeric: tabular-nums }
th { color: #57606a; font-weight: 600 }
th:nth-child(-n+3), td:nth-child(-n+3) { text-align: left }
td:nth-child(2) { white-space: normal; overflow-wrap: anywhere; min-width: 9rem; font-weight: 600 }
small { display: block; color: #57606a; font-size: .78rem }
.verdict { color: #fff; border-radius: 999px; padding: .1rem .6rem; font-weight: 600 }
img { display: block; max-width: 100%; margin: .6rem auto 0 }
"""

MEANINGS = {
    Verdict.IGNORED: f"f(ax) ≈ f(x): the transformation moves an embedding by less than {IGNORED:g}"
    " of the distance to the embedding of another input.",
    Verdict.REPRESENTED: "the embeddings move, and one isometry T explains it: W_f is at most"
    f" {REPRESENTED:g} of both the null and the error of T = I.",
    Verdict.PARTLY: "between the others: f(ax) is related to f(x), but one T leaves much of the"
    " move unexplained.",
    Verdict.SCRAMBLED: "of where f(ax) is, one isometry of f(x) says hardly more than one of"
    f" another input's embedding: W_f is at least {SCRAMBLED:g} of the null.",
    Verdict.CONSTANT: "all inputs have the same embedding; there is nothing to measure.",
}

CAPTIONS = {
    "W_f/null": "0: one T explains all; 1: T is no better than for unrelated pairs",
    "W_f": "relative error of the best T, on points that were not fitted; below, its 95% interval",
    "null": "W_f of shuffled pairs",
    "T = I": "error of leaving the embeddings as they are",
    "moved": "rms of |f(ax) − f(x)| over rms of |f(x) − f(x′)|, x′ another input",
    "γ_b": "change of pairwise products, from 0 (an isometry) to 1",
    "a∘a": "difference of T∘T from the T of applying a twice, relative",
}


#: Of each figure, its heading and what is said under it.
FIGURES = {
    "errors": (
        "How well one isometry explains each transformation",
        "A dot far left of both marks: the transformation is represented.",
    ),
    "map": (
        "Map",
        "Numbers are those of the table. Boundaries are those of embeddings whose norms a leaves "
        "as they are; the colour of a dot is its verdict.",
    ),
    "angles": (
        "What each T does",
        "T turns planes of the embedding space; each dot is an eigenvalue. Dots at 0° only: T is "
        "the identity. Directions that the embeddings do not use are at 0° as well.",
    ),
    "spectrum": (
        "Use of the embedding space",
        "An effective rank near 1 says that the encoder has collapsed, and then all errors are "
        "small for no good reason.",
    ),
}


def page(report: Report, drawn: Mapping[str, str]) -> str:
    """The page, with inline style and the figures that were drawn: nothing is loaded."""
    used = [verdict for verdict in Verdict if any(row.verdict is verdict for row in report)]
    parts = [
        "<h1>Equivariance report</h1>",
        f'<p class="quiet">{escape(report.summary)}.</p>',
        *(f'<section class="warning">{escape(text)}.</section>' for text in report.warnings),
        _section(
            "How to read it",
            "<p>An encoder f is <em>equivariant</em> to a transformation a of its input when one "
            f"linear map T, here from {escape(report.group)}, carries every embedding along: "
            "f(ax) = T f(x). For each a, T was fitted to one half of the data and measured on "
            "the other. <b>W_f</b> is what it leaves unexplained; read it against the <b>null</b>, "
            "the same for shuffled pairs, and against <b>T = I</b>, which is small where the "
            "encoder just ignores a.</p><ul>"
            + "".join(f"<li>{_badge(v)} {MEANINGS[v]}</li>" for v in used)
            + "</ul>",
        ),
        _section("Transformations", _table(report)),
        *(_figure(*FIGURES[name], svg) for name, svg in drawn.items()),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Equivariance report</title><style>{STYLE}</style></head>\n<body><main>\n"
        + "\n".join(parts)
        + "\n</main></body></html>\n"
    )


def _table(report: Report) -> str:
    header = ["#", "transformation", "verdict", *COLUMNS, "T", "rank"]
    titles = "".join(f'<th title="{CAPTIONS.get(h, "")}">{h}</th>' for h in header)
    body = "\n".join(_table_row(n, row) for n, row in enumerate(report, 1))
    captions = "".join(f"<li><b>{name}</b>: {CAPTIONS[name]}.</li>" for name in COLUMNS)
    return (
        f'<div class="scroll"><table><thead><tr>{titles}</tr></thead>\n<tbody>\n{body}\n'
        f'</tbody></table></div>\n<ul class="quiet">{captions}</ul>'
    )


def _table_row(n: int, row: Row) -> str:
    numbers = [escape(number(getattr(row, attribute))) for attribute in COLUMNS.values()]
    numbers[0] += f"<small>{escape(number(row.low))} to {escape(number(row.high))}</small>"
    rank = str(row.rank) if row.identifiable else f"{row.rank}<small>T not unique</small>"
    cells = [str(n), escape(row.name), _badge(row.verdict), *numbers, escape(row.component), rank]
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _badge(verdict: Verdict) -> str:
    return f'<span class="verdict" style="background:{figures.COLORS[verdict]}">{verdict}</span>'


def _section(title: str, content: str) -> str:
    return f"<section><h2>{title}</h2>\n{content}\n</section>"


def _figure(title: str, caption: str, svg: str) -> str:
    # As an image, its names of glyphs cannot meet those of another figure.
    data = base64.b64encode(svg.encode()).decode()
    image = f'<img alt="{title}" src="data:image/svg+xml;base64,{data}">'
    return _section(title, f'<p class="quiet">{caption}</p>{image}')
