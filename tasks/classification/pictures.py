"""The pictures of a comparison of classifiers: accuracy class by class, and which classes are taken for which."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure

from lwdna_core.compare.arms import ARMS
from lwdna_core.compare.results import read_json
from lwdna_core.compare.task import Picture
from tasks.classification.metrics import CLASSES, LARGEST

_COLORS = ("#4d4d4d", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_MARKERS = "osD^vPX"
_SHOWN = 40  # classes of a chart, where there are more than LARGEST
_NAMED = 20  # classes up to which a table's cells have numbers, and two tables stand beside each other


class Counts(NamedTuple):
    """What `Accuracy.keep` wrote, added up over the seeds of an arm.

    Attributes:
        arm: its name.
        seeds: how many.
        classes: names of C classes.
        images, correct: (C), counts.
        confusion: (C, C), counts of images by true class (row) and predicted class; None for many classes.
    """

    arm: str
    seeds: int
    classes: list[str]
    images: np.ndarray
    correct: np.ndarray
    confusion: np.ndarray | None

    @property
    def accuracy(self) -> np.ndarray:
        """Per cent of each class's images; NaN for a class without any."""
        return _per_cent(self.correct, self.images)


def pictures(folder: Path, results: Sequence[dict[str, Any]]) -> list[Picture]:
    """The pictures of the runs below `folder`; none where no run has left its counts. See `Task.pictures`."""
    arms = list(_counts(folder, results))
    if not arms:
        return []
    tables = [arm for arm in arms if arm.confusion is not None]
    return [_by_class(arms), *([_confusions(tables)] if tables else [])]


def _counts(folder: Path, results: Sequence[dict[str, Any]]) -> Iterator[Counts]:
    for arm in sorted({result["arm"] for result in results}, key=lambda arm: (*ARMS, arm).index(arm)):
        paths = [folder / f"seed{result['seed']}" / arm / CLASSES for result in results if result["arm"] == arm]
        runs = [read_json(path) for path in paths if path.exists()]
        if runs:
            added = {key: np.sum([run[key] for run in runs], 0) for key in ("images", "correct")}
            tables = [run["confusion"] for run in runs]
            confusion = None if None in tables else np.sum(tables, 0)
            yield Counts(arm, len(runs), runs[0]["classes"], confusion=confusion, **added)


def _by_class(arms: Sequence[Counts]) -> Picture:
    """Accuracy of every class, a row each, those that the first arm knows worst on top."""
    first, names = arms[0], arms[0].classes
    rows, which = np.argsort(first.accuracy, kind="stable"), f"all {len(names)} classes"
    if len(names) > LARGEST:
        spread = np.ptp([arm.accuracy for arm in arms], axis=0)
        most = set(np.argsort(-spread, kind="stable")[:_SHOWN])
        rows = np.array([row for row in rows if row in most])
        which = f"the {_SHOWN} of {len(names)} classes in which the arms differ most, as some do by chance alone"
    places = range(len(rows))
    with _style():
        figure = Figure(figsize=(7, 1.3 + 0.2 * len(rows)), layout="constrained")
        axes = figure.add_subplot()
        values = np.array([arm.accuracy[rows] for arm in arms])
        axes.hlines(places, values.min(0), values.max(0), color="0.75", linewidth=1)
        for index, arm in enumerate(arms):
            color, marker = _COLORS[index % 7], _MARKERS[index % 7]
            axes.scatter(values[index], places, s=24, color=color, marker=marker, label=_text(arm.arm), zorder=3)
        axes.set_yticks(places, [_text(names[row]) for row in rows])
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_xlabel("accuracy (%)")
        axes.grid(color="0.92")
        axes.set_axisbelow(True)
        figure.legend(loc="outside lower center", ncols=4, frameon=False)
        image = _svg(figure)
    seeds = ", ".join(f"{arm.arm} {arm.seeds}" for arm in arms)
    worst = [f"{arm.arm}: lowest {names[k]}, {arm.accuracy[k]:.1f} %" for arm in arms for k in [_lowest(arm)]]
    return Picture(
        title="Accuracy by class",
        caption=f"Share of the images of a class that were recognised, {which}; the mean over seeds ({seeds}).",
        image=image,
        alt=f"Accuracy of every class. {'; '.join(worst)}.",
    )


def _confusions(arms: Sequence[Counts]) -> Picture:
    """A panel for every arm: true classes downwards, predicted ones to the right."""
    names = [_text(name) for name in arms[0].classes]
    few = len(names) <= _NAMED
    side, columns = (3.4, min(2, len(arms))) if few else (1.4 + 0.07 * len(names), 1)
    lines = -(-len(arms) // columns)
    with _style():
        figure = Figure(figsize=(side * columns, (side + 0.3) * lines))
        figure.set_layout_engine("constrained", w_pad=0.12)  # the reader's font may be wider
        panels = figure.subplots(lines, columns, squeeze=False).ravel()
        for panel in panels[len(arms) :]:
            panel.set_visible(False)
        for panel, arm in zip(panels, arms, strict=False):
            assert arm.confusion is not None
            shares = _per_cent(arm.confusion, arm.confusion.sum(1, keepdims=True))
            # Mistakes are a few per cent: the root of the share makes them visible.
            panel.imshow(shares, norm=PowerNorm(0.5, 0, 100), cmap="Blues", interpolation="nearest")
            panel.set_title(_text(arm.arm))
            panel.set_xticks(range(len(names)), names, rotation=90)
            panel.set_yticks(range(len(names)), names)
            panel.tick_params(length=0, labelsize=8 if few else 4.5)
            if few:
                for (row, column), share in np.ndenumerate(shares):
                    if round(share, 1) >= 0.1:
                        color = "white" if share > 30 else "black"
                        panel.text(column, row, f"{share:.0f}" if share >= 1 else "·", ha="center", va="center",
                                   color=color, fontsize=6)  # fmt: skip
        image = _svg(figure)
    return Picture(
        title="Which classes are taken for which",
        caption="Per cent of the images of the true class (row) that were taken for the predicted class (column), over "
        f"all seeds{'; a dot is less than 1 %' if few else ''}. The colour grows with the root of the share.",
        image=image,
        alt=". ".join(f"{arm.arm}: {_worst_pair(arm)}" for arm in arms) + ".",
    )


def _worst_pair(arm: Counts) -> str:
    """The most frequent mistake in words."""
    assert arm.confusion is not None
    mistakes = _per_cent(arm.confusion * (1 - np.eye(len(arm.classes))), arm.images[:, None])
    row, column = np.unravel_index(np.nanargmax(mistakes), mistakes.shape)
    return f"most often {mistakes[row, column]:.1f} % of {arm.classes[row]} taken for {arm.classes[column]}"


def _lowest(arm: Counts) -> int:
    return int(np.nanargmin(arm.accuracy))


def _per_cent(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """100 * part / whole, NaN where the whole is nothing."""
    return 100 * part / np.where(whole == 0, np.nan, whole)


def _text(name: str) -> str:
    """A name as matplotlib prints it literally: a dollar sign would begin a formula."""
    return name.replace("$", r"\$")


def _style() -> Any:
    return matplotlib.rc_context({"svg.hashsalt": "lwdna", "svg.fonttype": "none", "font.size": 8})


def _svg(figure: Figure) -> bytes:
    written = io.BytesIO()
    figure.savefig(written, format="svg", metadata={"Date": None})
    return written.getvalue()
