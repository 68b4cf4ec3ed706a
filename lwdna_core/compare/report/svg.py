"""Figures as SVG that lives inside the page: its colours and its font are the page's, in light and in dark."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from typing import Any

import matplotlib
from matplotlib.figure import Figure

WIDTH = 4.6  # inches: as wide as a phone's screen, so that the text is as large there as on a desk

# Colours that stand for a variable of the page's style sheet. matplotlib needs a number, so each is one that no figure
# would use; `inline` puts the variable in its place.
INK, MUTED, GRID, SURFACE = "#010101", "#010102", "#010103", "#010104"
BETTER, WORSE = "#010105", "#010106"
SERIES = tuple(f"#0101{0x10 + index:02x}" for index in range(8))
MARKERS = "osD^vPXp"
LINES = ("-", "-", "--", "-.", ":", (0, (5, 1, 1, 1)), (0, (1, 1)), (0, (3, 5)))
_VARIABLES = {
    INK: "--ink", MUTED: "--muted", GRID: "--grid", SURFACE: "--surface", BETTER: "--narrower", WORSE: "--wider",
    **{color: f"--series-{index}" for index, color in enumerate(SERIES)},
}  # fmt: skip
_STYLE: Any = {
    "svg.fonttype": "none", "svg.hashsalt": "lwdna", "font.size": 10, "axes.titlesize": 10, "axes.labelsize": 9,
    "xtick.labelsize": 9, "ytick.labelsize": 9, "legend.fontsize": 9, "axes.titlelocation": "left",
    "axes.titleweight": "bold", "text.color": INK, "axes.labelcolor": MUTED, "axes.titlecolor": INK,
    "axes.edgecolor": GRID, "xtick.color": GRID, "ytick.color": GRID, "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED, "axes.facecolor": "none", "figure.facecolor": "none", "savefig.facecolor": "none",
    "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.color": GRID,
    "axes.axisbelow": True, "legend.frameon": False, "legend.labelcolor": INK,
}  # fmt: skip


@contextmanager
def page_style() -> Iterator[None]:
    """Within it figures are drawn in the page's style."""
    with matplotlib.rc_context(_STYLE):
        yield


def figure(height: float) -> Figure:
    """An empty figure, `height` in inches; to be called within `page_style`."""
    return Figure(figsize=(WIDTH, height), layout="constrained")


def inline(figure: Figure, name: str, description: str) -> str:
    """The figure as an `<svg>` element for an HTML page.

    Args:
        figure: drawn within `page_style`.
        name: unique in the page; the identifiers inside begin with it.
        description: the figure in words.
    """
    name = re.sub(r"[^\w-]", "_", name)
    written = io.StringIO()
    with page_style():
        figure.savefig(written, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = written.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.S)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.S)
    referenced = set(re.findall(r'(?:url\(|href=")#([^")]+)', text))
    text = re.sub(r' id="([^"]+)"', lambda m: f' id="{name}-{m[1]}"' if m[1] in referenced else "", text)
    text = re.sub(r'(url\(|href=")#', rf"\1#{name}-", text)
    text = re.sub(r"(font: (?:[\w.]+ )*[\d.]+px) [^;\"]*", r"\1 var(--font)", text)
    text = re.sub(r"#0101[0-9a-f]{2}", lambda m: f"var({_VARIABLES[m[0]]})", text)
    head = re.search(r'viewBox="([^"]*)"', text)
    assert head is not None
    opening = f'<svg viewBox="{head[1]}" role="img" aria-label="{escape(description)}">'
    text = re.sub(r"<svg[^>]*>", lambda _: opening, text, count=1, flags=re.S)
    text = text.replace("xlink:href", "href")
    return re.sub(r"\n\s*", "\n", text)
