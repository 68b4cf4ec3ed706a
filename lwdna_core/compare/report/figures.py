"""The figures of a report: differences, accuracy against MACs, curves, and the gain over the training set's size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from lwdna_core.compare.arms import ARMS, BASELINE
from lwdna_core.compare.report.svg import (
    INK,
    LINES,
    MARKERS,
    MUTED,
    SERIES,
    SURFACE,
    figure,
    inline,
    page_style,
)
from lwdna_core.compare.wording import interval, number, places, points

_FAR = 2.0  # times the MACs of the cheapest arm
_LETTERS = 30  # so many fit into a line of the legend
_USUAL = 6  # of the registered arms
_SETTLED = 0.25  # share of a run after which a curve decides the range of its axis


def series(arm: str, arms: Sequence[str]) -> int:
    """Which colour, marker and line an arm has: the usual ones the same in every report, others what these leave."""
    usual = list(ARMS)[:_USUAL]
    if arm in usual:
        return usual.index(arm)
    left: list[int] = [*range(_USUAL, len(SERIES)), *(place for place, name in enumerate(usual) if name not in arms)]
    return left[[a for a in arms if a not in usual].index(arm) % len(left)]


def forest(comparison: dict[str, Any], metric: str) -> str:
    """All paired differences of a metric: the interval over seeds as a bar, that over test items as a thin line."""
    unit = comparison["metrics"][metric]["unit"]
    pairs = [p for p in comparison["pairs"] if p["metric"] == metric and p["difference"] is not None]
    arms = list(comparison["arms"])
    with page_style():
        drawing = figure(0.75 + 0.34 * len(pairs))
        axes = drawing.add_subplot()
        axes.axvline(0, color=MUTED, linewidth=1)
        for row, pair in enumerate(pairs):
            index = series(pair["arm"], arms)
            if pair["low"] is not None:
                axes.plot([pair["low"], pair["high"]], [row, row], color=SERIES[index], linewidth=3.5, alpha=0.55)
            if pair["bootstrap"]:
                bounds = [pair["bootstrap"]["low"], pair["bootstrap"]["high"]]
                axes.plot(bounds, [row + 0.27] * 2, color=MUTED, linewidth=1.2, marker="|", markersize=5)
            axes.plot(pair["difference"], row, MARKERS[index], color=SERIES[index], markersize=7)
        axes.set_yticks(range(len(pairs)), [f"{p['arm']} − {p['vs']}" for p in pairs])
        axes.tick_params(axis="y", length=0, labelcolor=INK)
        axes.set_ylim(len(pairs) - 0.5, -0.5)
        axes.grid(axis="y", visible=False)
        axes.xaxis.set_major_locator(MaxNLocator(6))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:+g}".replace("-", "−") if x else "0"))
        axes.set_xlabel(f"difference in {metric} ({points(unit)})" if unit else f"difference in {metric}")
        axes.spines["left"].set_visible(False)
    words = [
        f"{p['arm']} minus {p['vs']} {number(p['difference'], places(unit), sign=True)}, "
        f"interval {interval(p['low'], p['high'], unit)}"
        for p in pairs
    ]
    return inline(drawing, "forest", f"Paired differences in {metric}: {'; '.join(words)}")


def far(arms: Mapping[str, Any]) -> list[str]:
    """The arms that cost so much more than the cheapest that they would squeeze the others in a picture."""
    least = min(arm["macs"] for arm in arms.values())
    return [arm for arm, row in arms.items() if row["macs"] > _FAR * least]


def tradeoff(comparison: dict[str, Any], metric: str) -> str:
    """A metric against MACs: every run as a faint mark, the mean of an arm as a full one; without the `far` arms."""
    unit, names = comparison["metrics"][metric]["unit"], list(comparison["arms"])
    arms = {arm: row for arm, row in comparison["arms"].items() if arm not in far(comparison["arms"])}
    largest = max(arm["macs"] for arm in arms.values())
    size, prefix = next(s for s in ((1e9, "G"), (1e6, "M"), (1e3, "k"), (1, "")) if largest >= s[0] or s[0] == 1)
    with page_style():
        drawing = figure(3.2)
        axes = drawing.add_subplot()
        for arm, row in arms.items():
            index, values = series(arm, names), row["metrics"][metric]
            marks = [
                (row["networks"][seed]["macs"] / size, value)
                for seed, value in values["values"].items() if value is not None
            ]  # fmt: skip
            if not marks:
                continue
            style: Any = {"color": SERIES[index], "marker": MARKERS[index], "linestyle": "none"}
            axes.plot(*zip(*marks, strict=True), **style, markersize=5, alpha=0.4, markeredgewidth=0)
            axes.plot(row["macs"] / size, values["mean"], **style, markersize=9, markeredgecolor=SURFACE, label=arm)
        axes.margins(0.12)
        axes.set_xlabel(f"MACs ({prefix})" if prefix else "MACs")
        axes.set_ylabel(f"{metric} ({unit})" if unit else metric)
        axes.xaxis.set_major_locator(MaxNLocator(6))
        _legend(drawing, list(arms))
    words = [
        f"{arm} {number(row['metrics'][metric]['mean'], places(unit))} at {row['macs'] / size:.2f} {prefix}MACs"
        for arm, row in arms.items()
    ]
    return inline(drawing, "tradeoff", f"Mean {metric} against MACs: {'; '.join(words)}")


def curve(results: Sequence[dict[str, Any]], arms: Sequence[str], key: str, unit: str, name: str) -> str | None:
    """One quantity of the training curves, an arm a line: the mean over seeds, the range of the seeds shaded.

    None where no run has it. `name` is unique in the page.
    """
    lines = {}
    for arm in arms:
        by_step: dict[int, list[float]] = {}
        for entry in (entry for r in results if r["arm"] == arm for entry in r["curve"]):
            if entry.get(key) is not None:
                by_step.setdefault(entry["step"], []).append(entry[key])
        if by_step:
            steps = sorted(by_step)
            lines[arm] = steps, [(fmean(by_step[s]), min(by_step[s]), max(by_step[s])) for s in steps]
    if not lines:
        return None
    with page_style():
        drawing = figure(2.9)
        axes = drawing.add_subplot()
        for arm, (steps, values) in lines.items():
            index = series(arm, arms)
            mean, low, high = zip(*values, strict=True)
            axes.fill_between(steps, low, high, color=SERIES[index], alpha=0.16, linewidth=0)
            marker = MARKERS[index] if len(steps) < 12 else ""
            style: Any = {"linestyle": LINES[index], "marker": marker, "markersize": 4}
            axes.plot(steps, mean, color=SERIES[index], label=arm, linewidth=1.8, **style)
        _settle(axes, lines)
        axes.set_xlabel("training step")
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        title = {"loss": "training loss", "lr": "learning rate"}.get(key, key)
        axes.set_title(f"{title} ({unit})" if unit else title)
        _legend(drawing, list(lines))
    last = [f"{arm} ends at {number(values[-1][0], places(unit))}" for arm, (_, values) in lines.items()]
    return inline(drawing, name, f"Curve of {title} over training steps, mean of the seeds: {'; '.join(last)}")


def gain(fractions: Mapping[str, dict[str, Any]], metric: str) -> str:
    """What every arm gains over the baseline, over the share of the training set, with the intervals over seeds."""
    lines: dict[str, list[tuple[float, dict[str, Any]]]] = {}
    for fraction, comparison in fractions.items():
        for pair in comparison["pairs"]:
            if (pair["vs"], pair["metric"]) == (BASELINE, metric) and pair["difference"] is not None:
                lines.setdefault(pair["arm"], []).append((float(fraction), pair))
    unit = next(iter(fractions.values()))["metrics"][metric]["unit"]
    with page_style():
        drawing = figure(3.2)
        axes = drawing.add_subplot()
        axes.axhline(0, color=MUTED, linewidth=1)
        for shift, (arm, entries) in enumerate(lines.items()):
            index = series(arm, list(lines))
            sizes = [100 * size * 1.03 ** (shift - (len(lines) - 1) / 2) for size, _ in entries]  # side by side
            for size, (_, pair) in zip(sizes, entries, strict=True):
                if pair["low"] is not None:
                    axes.plot([size, size], [pair["low"], pair["high"]], color=SERIES[index], linewidth=3, alpha=0.4)
            style: Any = {"linestyle": LINES[index], "marker": MARKERS[index], "color": SERIES[index], "label": arm}
            axes.plot(sizes, [pair["difference"] for _, pair in entries], **style, markersize=6)
        axes.set_xscale("log")
        shown = sorted({100 * float(fraction) for fraction in fractions})
        axes.set_xticks(shown, [f"{size:g} %" for size in shown])
        axes.minorticks_off()
        axes.set_xlabel("share of the training set (logarithmic)")
        axes.set_title(f"gain in {metric} over {BASELINE} ({points(unit)})".replace(" ()", ""))
        _legend(drawing, list(lines))
    words = [
        f"{arm} {number(pair['difference'], places(unit), sign=True)} at {size:.0%}"
        for arm, entries in lines.items() for size, pair in entries
    ]  # fmt: skip
    return inline(
        drawing, "gain", f"Gain over the baseline in {metric} by share of the training set: {'; '.join(words)}"
    )


def _settle(axes: Axes, lines: Mapping[str, tuple[list[int], list[tuple[float, float, float]]]]) -> None:
    """Let what comes after the first part of a run decide the range of y, where the start would squeeze it."""
    last = max(steps[-1] for steps, _ in lines.values())
    every = [v for _, values in lines.values() for v in values]
    late = [v for steps, values in lines.values() for s, v in zip(steps, values, strict=True) if s >= _SETTLED * last]
    low, high = min(v[1] for v in late), max(v[2] for v in late)
    if high > low and high - low < 0.5 * (max(v[2] for v in every) - min(v[1] for v in every)):
        margin = 0.08 * (high - low)
        axes.set_ylim(low - margin, high + margin)


def _legend(drawing: Any, names: Sequence[str]) -> None:
    columns = 4 if sum(map(len, names)) <= _LETTERS else 3
    drawing.legend(loc="outside lower left", ncols=min(columns, len(names)), handlelength=1.8, columnspacing=1.2)
