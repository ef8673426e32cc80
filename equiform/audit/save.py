"""A report in a folder: its numbers, its figures and its page."""

from __future__ import annotations

import os
from pathlib import Path

from equiform._files import write_json, write_text
from equiform._record import versions
from equiform.audit.result import Report


def save_report(report: Report, folder: str | os.PathLike[str]) -> Path:
    """Write ``metrics.json``, ``index.html``, one page that needs no network, and its figures.

    The folder is created if absent. Returns the path of the page.

    Raises:
        ImportError: matplotlib, which draws the figures, is not installed.
    """
    # Here, as they need an extra.
    from equiform.audit.figures import draw
    from equiform.audit.html import page

    drawn, folder = draw(report), Path(folder)
    text = page(report, drawn)
    write_json(folder / "metrics.json", report.to_dict() | {"versions": versions()})
    for name, svg in drawn.items():
        write_text(folder / f"{name}.svg", svg)
    write_text(folder / "index.html", text)
    return folder / "index.html"
