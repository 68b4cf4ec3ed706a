"""The pictures of a comparison of trackers: curves, differences sequence by sequence, and strips of frames."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Polygon, Rectangle

from lwdna_core.compare.arms import ARMS, BASELINE, LWDNA
from lwdna_core.compare.config import load_experiment
from lwdna_core.compare.protocol import load_set
from lwdna_core.compare.results import read_json
from lwdna_core.compare.statistics import item_bootstrap
from lwdna_core.compare.task import Picture
from lwdna_core.errors import LwdnaError
from tasks.tracking.data import Trial, TrialSet
from tasks.tracking.evaluation.plots import literal
from tasks.tracking.evaluation.textfiles import Rows, read_rows
from tasks.tracking.metrics import CURVES, set_name, tracks_of
from tasks.tracking.result_files import result_file

_COLORS = ("#4d4d4d", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_TRUTH, _OF_ARMS = "#00b050", {BASELINE: "#ffd400", LWDNA: "#ff3b8d"}
_PANELS = (
    ("success_curve", "overlap threshold", "success rate", 1.0),
    ("precision_curve", "error of the centre (pixels)", "precision", 50.0),
)
_CALLED = {"auc": "area under the success curve", "ao": "average overlap", "accuracy": "accuracy between resets"}
_SHOWN = 40  # sequences of a chart, those that differ most
_STRIPS, _FRAMES = 2, 6  # sequences of a set, and frames of each


def pictures(folder: Path, results: Sequence[dict[str, Any]]) -> list[Picture]:
    """The pictures of the runs below `folder`; none where no run has left its tracks. See `Task.pictures`."""
    kept = {}
    for result in results:
        path = _home(folder, result["seed"], result["arm"]) / CURVES
        if path.exists():
            kept[result["arm"], result["seed"]] = {(s["set"], s["protocol"]): s for s in read_json(path)["sets"]}
    names = list(dict.fromkeys(key for sets in kept.values() for key in sets))
    shown = [_curves(*key, kept) for key in names if key[1] != "VOT" and _drawn(key, kept)]
    shown += list(_differences(results))
    return shown + list(_strips(folder, results, kept))


def _home(folder: Path, seed: int, arm: str) -> Path:
    return folder / f"seed{seed}" / arm


def _arms(names: set[str]) -> list[str]:
    return sorted(names, key=lambda arm: (*ARMS, arm).index(arm))


def _drawn(key: tuple[str, str], kept: Mapping[tuple[str, int], Mapping[tuple[str, str], Any]]) -> bool:
    """Whether success and precision of a set were kept; GOT-10k's has no precision."""
    return all("precision_curve" in sets[key]["scores"] for sets in kept.values() if key in sets)


def _curves(name: str, protocol: str, kept: Mapping[tuple[str, int], Mapping[tuple[str, str], Any]]) -> Picture:
    """Success and precision on a set: a line an arm, the mean over seeds, over the thin lines of the seeds."""
    runs: dict[str, list[Any]] = {}
    for (arm, _), sets in kept.items():
        if (name, protocol) in sets:
            runs.setdefault(arm, []).append(sets[name, protocol])
    arms = _arms(set(runs))
    with _style():
        figure = Figure(figsize=(7, 3.4), layout="constrained")
        for axes, (curve, below, left, last) in zip(figure.subplots(1, 2), _PANELS, strict=True):
            for index, arm in enumerate(arms):
                lines = np.array([run["scores"][curve] for run in runs[arm]], float)
                places, color = np.linspace(0, last, lines.shape[1]), _COLORS[index % 7]
                if len(lines) > 1:
                    axes.plot(places, lines.T, color=color, linewidth=0.6, alpha=0.45)
                label = literal(arm) if curve == _PANELS[0][0] else None
                axes.plot(places, lines.mean(0), "--" if index % 2 else "-", color=color, label=label)
            axes.set(xlabel=below, ylabel=left, xlim=(0, last), ylim=(0, 1))
            axes.grid(color="0.92")
        figure.legend(loc="outside lower center", ncols=4, frameon=False)
        image = _svg(figure)

    def mean(arm: str, *keys: str) -> float:
        return float(np.mean([run["scores"][keys[0]] if len(keys) == 1 else run[keys[1]] for run in runs[arm]]))

    speeds = "; ".join(
        f"{arm} {mean(arm, '', 'frames_per_second'):.0f}, with reading "
        f"{mean(arm, '', 'frames_per_second_with_reading'):.0f}"
        for arm in arms
    )
    return Picture(
        title=f"Success and precision on {set_name(name, protocol)}",
        caption="Share of the frames whose overlap with the truth is above a threshold, and whose centre is within a "
        f"distance: means over sequences and seeds, with thin lines for single seeds. Frames a second: {speeds}.",
        image=image,
        alt="; ".join(
            f"{arm}: area under the success curve {mean(arm, 'auc'):.3f}, precision at 20 pixels "
            f"{mean(arm, 'precision_20'):.3f}"
            for arm in arms
        )
        + ".",
    )


def _differences(results: Sequence[dict[str, Any]]) -> Iterator[Picture]:
    """What LW-DNA has above the baseline on every sequence, for each set and its main measure."""
    items = {(r["arm"], str(r["seed"])): r.get("items", {}) for r in results}
    for metric in dict.fromkeys(metric for found in items.values() for metric in found):
        measure, _, name = metric.partition("/")
        if measure not in _CALLED:
            continue
        sides = [
            {seed: found[metric] for (arm, seed), found in items.items() if arm == wanted and found.get(metric)}
            for wanted in (LWDNA, BASELINE)
        ]
        seeds = sorted(sides[0].keys() & sides[1].keys())
        common = [sides[0][seed].keys() & sides[1][seed].keys() for seed in seeds]
        sequences = sorted(set.intersection(*map(set, common))) if common else []
        if len(sequences) < 2:
            continue
        table = np.array([[sides[0][seed][s] - sides[1][seed][s] for s in sequences] for seed in seeds])
        yield _difference(measure, name, sequences, table, item_bootstrap(*sides))


def _difference(measure: str, name: str, sequences: Sequence[str], table: np.ndarray, interval: Any) -> Picture:
    called = _CALLED[measure]
    mean = table.mean(0)
    rows = np.argsort(-abs(mean), kind="stable")[:_SHOWN]
    rows = rows[np.argsort(mean[rows], kind="stable")]
    places = np.arange(len(rows))
    with _style():
        figure = Figure(figsize=(7, 1.5 + 0.2 * len(rows)), layout="constrained")
        axes = figure.add_subplot()
        axes.axvline(0, color="0.5", linewidth=0.8)
        axes.hlines(places, 0, mean[rows], color="0.75", linewidth=1)
        for line in table:
            axes.plot(line[rows], places, "o", color=_COLORS[1], alpha=0.35, markersize=3)
        axes.plot(mean[rows], places, "D", color=_COLORS[1], markersize=5)
        bottom = -1.2
        axes.plot(table.mean(), bottom, "D", color=_COLORS[2], markersize=6)
        if interval is not None:
            axes.hlines(bottom, interval.low, interval.high, color=_COLORS[2], linewidth=2)
        axes.set_yticks([*places, bottom], [*(literal(sequences[row]) for row in rows), f"all {len(sequences)}"])
        axes.set_ylim(bottom - 0.8, len(rows) - 0.4)
        axes.set_xlabel(f"{called}: LW-DNA minus baseline")
        axes.grid(axis="x", color="0.92")
        axes.set_axisbelow(True)
        image = _svg(figure)
    cut = f", the {_SHOWN} of {len(sequences)} that differ most" if len(sequences) > _SHOWN else ""
    bounds = "" if interval is None else f" (95 % bootstrap interval {interval.low:+.3f} to {interval.high:+.3f})"
    return Picture(
        title=f"Sequence by sequence on {name}: {called}",
        caption=f"What LW-DNA has above the baseline on each sequence{cut}: dots are seeds ({len(table)}), diamonds "
        "their means. The lowest line is the mean of all sequences, with the interval that it has when the sequences "
        "are drawn again and the trained networks stay.",
        image=image,
        alt=f"LW-DNA minus baseline, mean {table.mean():+.3f}{bounds}; better on {int((mean > 0).sum())} of "
        f"{len(sequences)} sequences.",
    )


def _strips(
    folder: Path, results: Sequence[dict[str, Any]], kept: Mapping[tuple[str, int], Mapping[tuple[str, str], Any]]
) -> Iterator[Picture]:
    """Frames of the sequences in which the two arms differ most, under the first seed that has both."""
    seeds = sorted({seed for _, seed in kept if (BASELINE, seed) in kept and (LWDNA, seed) in kept})
    if not seeds:
        return
    seed = seeds[0]
    left, right = kept[BASELINE, seed], kept[LWDNA, seed]
    trials = _trials(next(result for result in results if result["seed"] == seed))
    for name, protocol in sorted(left.keys() & right.keys()):
        if protocol in ("SRE", "TRE"):
            continue  # many runs over the same frames
        drawn = "precision_curve" in left[name, protocol]["scores"]
        measure = "accuracy" if protocol == "VOT" else "auc" if drawn else "ao"
        scores = [side[name, protocol]["scores"]["sequences"] for side in (left, right)]
        if protocol == "VOT" and (name, "OPE") in left:
            continue  # the same frames once more
        differ = {
            sequence: abs(scores[1][sequence].get(measure, 0) - scores[0][sequence].get(measure, 0))
            for sequence in sorted(scores[0].keys() & scores[1].keys())
            if (name, protocol, sequence) in trials
        }
        chosen = sorted(differ, key=lambda sequence: -differ[sequence])[:_STRIPS]
        shown = [trials[name, protocol, sequence] for sequence in chosen]
        if shown:
            yield _strip(name, seed, shown, {arm: tracks_of(_home(folder, seed, arm), name) for arm in _OF_ARMS})


def _trials(result: Mapping[str, Any]) -> dict[tuple[str, str, str], Trial]:
    """The run's test sequences; none where the config or its data are no longer there."""
    try:
        tests = load_set(load_experiment(result["task"], **result["request"]), "val_dataloader")
    except LwdnaError:
        return {}
    return {(t.set, t.protocol, t.sequence.name): t for t in tests.trials} if isinstance(tests, TrialSet) else {}


def _strip(name: str, seed: int, trials: Sequence[Trial], homes: Mapping[str, Path]) -> Picture:
    with _style():
        figure = Figure(figsize=(9, 0.5 + 1.5 * len(trials)), layout="constrained", dpi=140)
        grid = figure.subplots(len(trials), _FRAMES, squeeze=False)
        for panels, trial in zip(grid, trials, strict=True):
            sequence = trial.sequence
            paths = [result_file(homes[arm], trial.protocol, sequence.name) for arm in homes]
            tracks = dict(zip(homes, read_rows([path for path in paths if path.exists()]), strict=False))
            shift = 0 if trial.protocol == "VOT" else sequence.origin  # of the first pixel
            times = np.linspace(0, len(sequence) - 1, _FRAMES).round().astype(int)
            for axes, time in zip(panels, times.tolist(), strict=True):
                axes.imshow(sequence.frame(time))
                axes.add_patch(Polygon(sequence.regions.corners[time], fill=False, color=_TRUTH, linewidth=1.2))
                for arm, rows in tracks.items():
                    if (found := _box(rows, time)) is not None:
                        x, y, w, h = found - [shift + 0.5, shift + 0.5, 0, 0]
                        axes.add_patch(Rectangle((x, y), w, h, fill=False, color=_OF_ARMS[arm], linewidth=1.2))
                axes.set(xticks=[], yticks=[], title=f"frame {time + 1}")
                axes.title.set_fontsize(6)
            panels[0].set_ylabel(literal(sequence.name), fontsize=7)
        marks = [Rectangle((0, 0), 1, 1, fill=False, color=color) for color in (_TRUTH, *_OF_ARMS.values())]
        figure.legend(marks, ["truth", *_OF_ARMS], loc="outside lower center", ncols=3, frameon=False)
        written = io.BytesIO()
        figure.savefig(written, format="png")
    names = " and ".join(trial.sequence.name for trial in trials)
    return Picture(
        title=f"Frames of {name}",
        caption=f"The sequences in which the two differ most, under seed {seed}. An arm without a box has lost the "
        "target and waits for its new start.",
        image=written.getvalue(),
        alt=f"{_FRAMES} frames of {names} with boxes of the truth, the baseline and LW-DNA.",
    )


def _box(rows: Rows, time: int) -> np.ndarray | None:
    """The box of a frame; None where there is one of VOT's codes."""
    if time >= len(rows) or rows.counts[time] != 4:
        return None
    first = int(rows.counts[:time].sum())
    found: np.ndarray = rows.values[first : first + 4]
    return found


def _style() -> Any:
    return matplotlib.rc_context({"svg.hashsalt": "lwdna", "svg.fonttype": "none", "font.size": 8})


def _svg(figure: Figure) -> bytes:
    written = io.BytesIO()
    figure.savefig(written, format="svg", metadata={"Date": None})
    return written.getvalue()
