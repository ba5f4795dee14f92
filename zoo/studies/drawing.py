"""Figures as SVG that read well on light and dark paper, and are the same bytes for the same rows.

Text stays text. Three colours are variables, which the picture sets by the reader's preference; the others are seen on
both. Colours after Okabe and Ito 2008, apart for colour-blind readers too.
"""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

INK, PAPER, LINE = "#1f2328", "#fffffe", "#d0d7dd"  # stand for the variables; no other colour may be one of them
COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6d31", "#7f7f7f", "#7b5fc0", "#a6bf2e"]
MARKERS = "osD^vP<>X*"
STYLE = """<style>
:root { --ink: #1f2328; --paper: #ffffff; --line: #d0d7de }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --paper: #0d1117; --line: #3d444d } }
</style>"""
SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "text.parse_math": False,  # names are text, never TeX
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.titlecolor", "xtick.color", "ytick.color"), INK),
    **dict.fromkeys(("figure.facecolor", "axes.facecolor", "savefig.facecolor", "legend.facecolor"), PAPER),
    **dict.fromkeys(("axes.edgecolor", "grid.color", "legend.edgecolor"), LINE),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "legend.frameon": False,
}


@contextmanager
def style(name: str) -> Iterator[None]:
    """The look of all figures; ids inside the picture are made from its name, and not at random."""
    with matplotlib.rc_context({**SETTINGS, "svg.hashsalt": name}):
        yield


def to_svg(figure: Figure) -> str:
    """The figure as text; must be called within `style`."""
    buffer = io.StringIO()
    FigureCanvasSVG(figure)
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None}, bbox_inches="tight", pad_inches=0.08)
    text = buffer.getvalue()
    for colour, name in ((INK, "ink"), (PAPER, "paper"), (LINE, "line")):
        text = text.replace(colour, f"var(--{name})")
    text = text.replace("'DejaVu Sans'", "system-ui, 'DejaVu Sans', sans-serif")
    text = re.sub(r"(<svg [^>]*>)", rf"\1\n{STYLE}", text, count=1)
    return "\n".join(line.rstrip() for line in text.splitlines()) + "\n"
