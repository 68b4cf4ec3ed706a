"""The page's figures, as SVG files that read on white and on dark."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.evidence.section import Section
from lwdna_core.compare.arms import BASELINE, LWDNA
from lwdna_core.compare.wording import points

BETTER, WORSE, NEITHER = "#1a7f37", "#b42318", "#57606a"
STYLE: Any = {
    "svg.fonttype": "path", "svg.hashsalt": "lwdna", "font.size": 9, "axes.spines.top": False,
    "axes.spines.right": False, "axes.grid": True, "grid.color": "#d0d7de", "axes.axisbelow": True,
    "legend.frameon": False, "savefig.facecolor": "white",
}  # fmt: skip
_COLORS = {"better": BETTER, "worse": WORSE}


def svg(figure: Figure) -> bytes:
    """The figure as a file; the same one for the same content."""
    written = io.BytesIO()
    with matplotlib.rc_context(STYLE):
        figure.savefig(written, format="svg", metadata={"Date": None})
    return written.getvalue()


def _dots(axes: Axes, rows: Sequence[tuple[str, float, float | None, float | None, str]], line: float) -> None:
    """From top to bottom a dot with its range: (label, middle, low, high, colour); a vertical line for comparison."""
    axes.axvline(line, color="#24292f", linewidth=0.8)
    for place, (_, middle, low, high, color) in enumerate(rows):
        if low is not None and high is not None:
            axes.plot([low, high], [place, place], color=color, linewidth=2, solid_capstyle="butt")
        axes.plot([middle], [place], "o", color=color, markersize=5)
    axes.set_yticks(range(len(rows)), [label for label, *_ in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)


def bars(axes: Axes, rows: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
    """Paired differences from top to bottom, with their intervals over seeds; colour is the verdict."""
    drawn = [(t, p["difference"], p["low"], p["high"], _COLORS.get(p["verdict"], NEITHER)) for t, p in rows]
    _dots(axes, drawn, 0)
    near = [abs(pair["difference"]) for _, pair in rows]
    wide = [max(abs(pair["low"]), abs(pair["high"])) for _, pair in rows if pair["low"] is not None]
    limit = 1.1 * max(
        [*near, *(min(w, 6 * max(near, default=0) or w) for w in wide)], default=1
    )  # few seeds: bars leave it
    axes.set_xlim(-limit, limit)


def differences(pairs: Sequence[Mapping[str, Any]], unit: str) -> bytes:
    """All paired differences of a comparison's first metric."""
    rows = [(f"{p['arm']} − {p['vs']}", p) for p in pairs if p["difference"] is not None]
    with matplotlib.rc_context(STYLE):
        drawing = Figure(figsize=(7, 0.6 + 0.25 * len(rows)), layout="constrained")
        axes = drawing.add_subplot()
        bars(axes, rows)
        axes.set_xlabel(f"difference, {points(unit)}".rstrip(", "))
    return svg(drawing)


def overview(sections: Sequence[Section]) -> bytes:
    """LW-DNA against the baseline in every comparison, a panel for each unit, on a scale that is linear near 0 and
    logarithmic beyond, since intervals of few seeds are wide.
    """
    units = list(dict.fromkeys(section.unit for section in sections))
    rows = {u: [(s.entry.title, s.pair(LWDNA, BASELINE)) for s in sections if s.unit == u] for u in units}
    heights = [len(rows[u]) + 2.2 for u in units]
    with matplotlib.rc_context(STYLE):
        drawing = Figure(figsize=(7, 0.27 * sum(heights)), layout="constrained")
        panels = drawing.subplots(len(units), 1, gridspec_kw={"height_ratios": heights}, squeeze=False)[:, 0]
        for axes, unit in zip(panels, units, strict=True):
            shown = [(f"{title} ({pair['n']})", pair) for title, pair in rows[unit] if pair]
            bars(axes, shown)
            most = max(abs(end) for _, pair in shown for end in (pair["low"], pair["high"], pair["difference"])
                       if end is not None) or 1.0  # fmt: skip
            middle = sorted(abs(pair["difference"]) for _, pair in shown)[len(shown) // 2]
            steps = [step for power in range(-4, 3) for step in (10.0**power, 3 * 10.0**power)]
            linear = next(step for step in steps if step >= min(middle, 100))
            axes.set_xscale("symlog", linthresh=linear)
            axes.set_xlim(-1.2 * max(most, linear), 1.2 * max(most, linear))
            ticks = [step for step in steps if linear <= step < 1.2 * max(most, linear)]
            axes.set_xticks([-step for step in reversed(ticks)] + [0, *ticks])
            axes.get_xaxis().set_major_formatter(lambda value, _: f"{value:+g}".replace("-", "−") if value else "0")
            axes.minorticks_off()
            axes.set_xlabel(f"LW-DNA − baseline, {points(unit) or 'AUC'}")
    return svg(drawing)


def panels(rows: Sequence[tuple[str, str, Sequence[tuple[str, Mapping[str, Any]]]]]) -> bytes:
    """Differences of several comparisons, a panel each: (title, unit, rows)."""
    with matplotlib.rc_context(STYLE):
        drawing = Figure(figsize=(7, sum(1.0 + 0.25 * len(shown) for _, _, shown in rows)), layout="constrained")
        for axes, (title, unit, shown) in zip(drawing.subplots(len(rows), 1, squeeze=False)[:, 0], rows, strict=True):
            bars(axes, shown)
            axes.set_title(title, loc="left", fontsize=9)
            axes.set_xlabel(f"difference, {points(unit)}".rstrip(", "))
    return svg(drawing)


def scatter(clouds: Sequence[tuple[str, str, Sequence[tuple[float, float]]]], x: str) -> bytes:
    """Differences over `x`, a panel each: (title, unit, points)."""
    with matplotlib.rc_context(STYLE):
        drawing = Figure(figsize=(7, 2.6 * math.ceil(len(clouds) / 2)), layout="constrained")
        panels = drawing.subplots(math.ceil(len(clouds) / 2), 2, squeeze=False).ravel()
        for axes in panels[len(clouds) :]:
            axes.remove()
        for axes, (title, unit, cloud) in zip(panels[: len(clouds)], clouds, strict=True):
            axes.axhline(0, color="0.7", linewidth=0.8)
            axes.plot(*zip(*cloud, strict=True), "o", color=NEITHER, markersize=3, alpha=0.6)
            axes.set_title(title, loc="left", fontsize=7)
            axes.set_xlabel(x)
            axes.set_ylabel(f"arm − baseline, {points(unit)}".rstrip(", "))
    return svg(drawing)


def curves(panels: Sequence[tuple[str, str, Sequence[tuple[float, float, float, float]]]], x: str) -> bytes:
    """Differences to the baseline over `x`, a panel each: (title, unit, [(x, middle, low, high)]), the range shaded."""
    with matplotlib.rc_context(STYLE):
        drawing = Figure(figsize=(7, 2.4 * math.ceil(len(panels) / 2) + 0.3), layout="constrained")
        places = drawing.subplots(math.ceil(len(panels) / 2), 2, squeeze=False).ravel()
        for axes in places[len(panels) :]:
            axes.remove()
        for axes, (title, unit, values) in zip(places[: len(panels)], panels, strict=True):
            xs, middles, lows, highs = zip(*values, strict=True)
            axes.axhline(0, color="#24292f", linewidth=0.8)
            axes.plot(xs, middles, "o-", color=NEITHER, markersize=4)
            axes.fill_between(xs, lows, highs, alpha=0.15, color=NEITHER)
            axes.set_title(title, loc="left", fontsize=7)
            axes.set_ylabel(f"arm − baseline, {points(unit) or 'AUC'}", fontsize=8)
        drawing.supxlabel(x, fontsize=9)
    return svg(drawing)


def lines(
    series: Mapping[str, Sequence[tuple[float, float, float, float]]], x: str, y: str, logarithmic: bool = False
) -> bytes:
    """Curves of (x, middle, low, high), the range shaded."""
    with matplotlib.rc_context(STYLE):
        drawing = Figure(figsize=(7, 2.8), layout="constrained")
        axes = drawing.add_subplot()
        for label, values in series.items():
            xs, middles, lows, highs = zip(*values, strict=True)
            (line,) = axes.plot(xs, middles, "o-", label=label)
            axes.fill_between(xs, lows, highs, alpha=0.15, color=line.get_color())
        if logarithmic:
            axes.set_xscale("log")
            axes.set_xticks(sorted({v[0] for values in series.values() for v in values}))
            axes.get_xaxis().set_major_formatter("{x:g}")
            axes.minorticks_off()
        axes.set_xlabel(x)
        axes.set_ylabel(y)
        axes.legend()
    return svg(drawing)


def ranges(rows: Sequence[tuple[str, float, float, float]], x: str) -> bytes:
    """Ratios with their range, from top to bottom: (label, middle, low, high); a line marks 1."""
    with matplotlib.rc_context(STYLE):
        drawing = Figure(figsize=(7, 0.8 + 0.27 * len(rows)), layout="constrained")
        axes = drawing.add_subplot()
        _dots(axes, [(*row, NEITHER) for row in rows], 1)
        axes.set_xlim(left=0)
        axes.set_xlabel(x)
    return svg(drawing)


def with_shares(
    rows: Sequence[tuple[str, Mapping[str, Any]]], unit: str, shares: Mapping[str, Mapping[str, float]]
) -> bytes:
    """Differences to the baseline beside shares in per cent, a panel each: {panel: {row: share}}."""
    with matplotlib.rc_context(STYLE):
        drawing = Figure(figsize=(7, 0.8 + 0.27 * len(rows)), layout="constrained")
        panels = drawing.subplots(
            1, 1 + len(shares), gridspec_kw={"width_ratios": [2] + [1] * len(shares)}, squeeze=False
        )[0]
        bars(panels[0], rows)
        panels[0].set_xlabel(f"arm − baseline, {points(unit)}".rstrip(", "))
        for axes, (title, values) in zip(panels[1:], shares.items(), strict=True):
            heights = [100 * values[label] for label, _ in rows]
            axes.barh(range(len(rows)), heights, color=NEITHER, height=0.5)
            for place, height in enumerate(heights):
                axes.text(height, place, f" {height:.0f}", va="center")
            axes.set_yticks([])
            axes.set_ylim(len(rows) - 0.5, -0.5)
            axes.set_xlim(0, 1.25 * max([*heights, 1]))
            axes.set_xlabel(title)
    return svg(drawing)
