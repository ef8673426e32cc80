"""How the examples write a figure."""

from __future__ import annotations

import io
import os
from pathlib import Path

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from equiform._files import write_bytes


def write_figure(figure: Figure, file: str | os.PathLike[str]) -> None:
    """Write a figure as PNG and as SVG, the same bytes each time, and make its folder.

    Args:
        figure: not one of pyplot.
        file: the PNG to write; the SVG is written beside it.

    Raises:
        ValueError: ``file`` does not end in ``.png``.
    """
    file = Path(file)
    if file.suffix != ".png":
        raise ValueError(f"file must end in .png, beside which an SVG is written, got {file.name}")
    png, svg = io.BytesIO(), io.BytesIO()
    # Not through pyplot: it would choose a backend, and keep the figure for ever.
    FigureCanvasAgg(figure).print_png(png)
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with matplotlib.rc_context({"svg.hashsalt": "equiform"}):
        FigureCanvasSVG(figure).print_svg(svg, metadata=nothing)
    write_bytes(file, png.getvalue())
    write_bytes(file.with_suffix(".svg"), svg.getvalue())
