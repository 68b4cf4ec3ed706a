"""Pictures of scores, as SVG: success and precision plots, VOT's EAO ranking, expected overlap curve and A-R plot."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from tasks.tracking.evaluation.annotations import Annotations
from tasks.tracking.evaluation.conventions import EAO_INTERVALS
from tasks.tracking.evaluation.scores import Scores
from tasks.tracking.evaluation.sequence import ATTRIBUTES
from tasks.tracking.evaluation.spans import Floats
from tasks.tracking.evaluation.tables import known

_COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#8c564b")
_LINES = ("-", "--", "-.", ":")
_SENSITIVITY = 100
"""Frames over which the A-R plot asks whether a tracker survives (VOT's S)."""


class _Curve(NamedTuple):
    name: str
    title: str
    score: str
    x_label: str
    y_label: str
    last: float


_CURVES = (
    _Curve("success", "Success", "auc", "overlap threshold", "success rate", 1.0),
    _Curve("precision", "Precision", "precision_20", "error of the centre, pixels", "precision", 50.0),
    _Curve(
        "normalised_precision",
        "Normalised precision",
        "normalised_precision_20",
        "error / target size",
        "precision",
        0.5,
    ),
)


def draw_plots(scores: Sequence[Scores], annotations: Annotations) -> Iterator[tuple[str, str, str]]:
    """File name, caption and SVG text of every plot that applies, one after the other."""
    for curve in _CURVES:
        lines = {
            t.tracker: (t.curves[f"{curve.name}_curve"], t.values) for t in scores if f"{curve.name}_curve" in t.curves
        }
        if lines:
            yield f"{curve.name}.svg", f"{curve.title} on {annotations.name}", _curves(lines, curve, annotations.name)
        if curve.name == "normalised_precision":
            continue
        for attribute in dict.fromkeys(name for t in scores for name in t.attribute_curves):
            shown = {
                t.tracker: (t.attribute_curves[attribute][f"{curve.name}_curve"], t.attributes[attribute])
                for t in scores
                if attribute in t.attribute_curves
            }
            number = max(int(values.get("sequences", 0)) for _, values in shown.values())
            title = f"{annotations.name}: {ATTRIBUTES.get(attribute, attribute)} ({number})"
            yield f"{curve.name}_{_file_name(attribute)}.svg", f"{curve.title} on {title}", _curves(shown, curve, title)
    expected = {t.tracker: t.curves["expected_overlap_curve"] for t in scores if "expected_overlap_curve" in t.curves}
    if expected:
        interval = EAO_INTERVALS.get(annotations.year or 0)
        yield "expected_overlap.svg", f"Expected overlap on {annotations.name}", _expected(expected, interval)
    eao = {t.tracker: value for t in scores if (value := known(t.values, "eao")) is not None}
    if eao:
        yield "eao_ranking.svg", f"Expected average overlap on {annotations.name}, the best at the right", _ranking(eao)
    frames = sum(len(sequence) for sequence in annotations.sequences.values())
    points = {
        t.tracker: (np.exp(-_SENSITIVITY * t.values["lost"] / frames), t.values["accuracy"])
        for t in scores
        if known(t.values, "lost") is not None and known(t.values, "accuracy") is not None
    }
    if points:
        yield (
            "accuracy_robustness.svg",
            f"Accuracy and robustness on {annotations.name}, the best at the top right",
            (_accuracy_robustness(points)),
        )


def literal(name: str) -> str:
    """A name as matplotlib prints it letter by letter: a dollar sign would begin a formula."""
    return name.replace("$", r"\$")


def _file_name(text: str) -> str:
    return "".join(character if character.isalnum() else "_" for character in text)


def _figure(below: float = 0.11) -> tuple[Figure, Any]:
    figure = Figure(figsize=(6.4, 4.6))
    axes = figure.add_axes((0.1, below, 0.87, 0.93 - below))  # matplotlib's own layout takes 5 times as long
    axes.grid(color="0.92")
    axes.set_axisbelow(True)
    return figure, axes


def _svg(figure: Figure) -> str:
    text = io.StringIO()
    # The same scores, the same file.
    with matplotlib.rc_context({"svg.hashsalt": "lwdna", "svg.fonttype": "none"}):
        figure.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue()


def _style(index: int) -> dict[str, Any]:
    return {"color": _COLORS[index % len(_COLORS)], "linestyle": _LINES[index // len(_COLORS) % len(_LINES)]}


def _legend(axes: Any, entries: Mapping[str, Any]) -> None:
    """What each artist is called. They bear no labels of their own: matplotlib hides those that begin with "_"."""
    axes.legend(list(entries.values()), list(map(literal, entries)), frameon=False, fontsize=8)


def _curves(lines: Mapping[str, tuple[Floats, Mapping[str, float]]], curve: _Curve, title: str) -> str:
    """Curves of trackers, the best first in the legend, with the value by which they are ranked."""
    figure, axes = _figure()
    best = sorted(lines.items(), key=lambda item: item[1][1].get(curve.score, item[1][1].get("ao", 0)), reverse=True)
    entries = {}
    for index, (tracker, (values, scores)) in enumerate(best):
        score = scores.get(curve.score, scores.get("ao", np.nan))
        (entries[f"{tracker} [{score:.3f}]"],) = axes.plot(
            np.linspace(0, curve.last, len(values)), values, **_style(index)
        )
    axes.set(xlabel=curve.x_label, ylabel=curve.y_label, xlim=(0, curve.last), ylim=(0, 1), title=literal(title))
    _legend(axes, entries)
    return _svg(figure)


def _expected(curves: Mapping[str, Floats], interval: tuple[int, int] | None) -> str:
    figure, axes = _figure()
    entries: dict[str, Any] = {}
    for index, (tracker, curve) in enumerate(curves.items()):
        (entries[tracker],) = axes.plot(np.arange(2, len(curve) + 1), curve[1:], **_style(index))
    if interval:
        entries[f"EAO: lengths {interval[0]} to {interval[1]}"] = axes.axvspan(*interval, color="0.9", zorder=0)
    axes.set(xlabel="sequence length, frames", ylabel="expected overlap", ylim=(0, 1))
    axes.set_xlim(left=0)
    _legend(axes, entries)
    return _svg(figure)


def _ranking(eao: Mapping[str, float]) -> str:
    figure, axes = _figure(below=0.25)
    ordered = sorted(eao.items(), key=lambda item: item[1])
    for place, (_, value) in enumerate(ordered):
        color = _COLORS[(len(ordered) - 1 - place) % len(_COLORS)]
        axes.plot([place, place], [0, value], color=color, linewidth=1)
        axes.plot(place, value, "o", color=color)
        axes.annotate(
            f"{value:.3f}", (place, value), textcoords="offset points", xytext=(0, 6), ha="center", fontsize=8
        )
    names = [literal(tracker) for tracker, _ in ordered]
    axes.set_xticks(range(len(ordered)), names, rotation=30, ha="right", fontsize=8)
    axes.set(
        ylabel="expected average overlap", ylim=(0, 1.12 * max(eao.values()) or 1), xlim=(-0.6, len(ordered) - 0.4)
    )
    return _svg(figure)


def _accuracy_robustness(points: Mapping[str, tuple[float, float]]) -> str:
    figure, axes = _figure()
    entries = {}
    for index, (tracker, (robustness, accuracy)) in enumerate(points.items()):
        (entries[tracker],) = axes.plot(robustness, accuracy, "o", color=_COLORS[index % len(_COLORS)])
    axes.set(
        xlabel=f"robustness: chance to track {_SENSITIVITY} frames without a failure", ylabel="accuracy",
        xlim=(0, 1), ylim=(0, 1),
    )  # fmt: skip
    _legend(axes, entries)
    return _svg(figure)
