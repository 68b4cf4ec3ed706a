"""Scores of a run are those that the evaluation gives for the files that the run leaves."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from lwdna_core.compare.results import read_json
from tasks.tracking.data import Trial, TrialSet, composed
from tasks.tracking.evaluation.textfiles import read_rows
from tasks.tracking.experiments import Track
from tasks.tracking.metrics import CURVES, TRACKS, TrackingScores, tracks_of
from tasks.tracking.result_files import result_file


def evaluated(shift: float, resets: int = 0) -> tuple[TrackingScores, dict[str, float]]:
    """Boxes `shift` pixels beside the truth, the target lost `resets` times in the first sequence."""
    tests = composed("test", sequences=2, length=40)
    metric = TrackingScores()
    metric.dataset_meta = dict(tests.metainfo)  # type: ignore[union-attr]
    for trial in tests.trials:  # type: ignore[union-attr]
        boxes = trial.sequence.boxes + np.array([shift, 0, 0, 0])
        lines = list(boxes)
        if trial.protocol == "VOT":
            lines = list(boxes - [1, 1, 0, 0])
            lines[0] = np.array([1.0])
            for k in range(resets if trial.sequence.name.endswith("0") else 0):
                lines[5 + 10 * k : 11 + 10 * k] = [np.array([code]) for code in (2.0, 0.0, 0.0, 0.0, 0.0, 1.0)]
        track = Track(trial.sequence.name, tuple(lines), np.full(40, 0.02), 1.6)
        metric.process({}, [{"trial": trial, "tracks": (track,)}])
    return metric, metric.evaluate(len(tests))


def test_the_truth_has_the_highest_scores() -> None:
    metric, values = evaluated(0)
    # no overlap is above the threshold 1, but for what a quotient of equal numbers may exceed it
    assert 20 / 21 <= values["auc/composed"] <= 1
    assert values["precision_20/composed"] == values["overlap_precision_50/composed"] == 1
    assert values["accuracy/composed"] == pytest.approx(1, abs=1e-6)
    assert values["lost/composed"] == 0 == values["robustness/composed"]
    assert np.mean(list(metric.items["auc/composed"].values())) == pytest.approx(values["auc/composed"])


def test_worse_boxes_have_lower_scores_and_losses_are_counted() -> None:
    _, values = evaluated(15, resets=2)
    assert values["lost/composed"] == 2
    assert values["robustness/composed"] == pytest.approx(100 * 2 / 80)  # pysot: losses in 100 frames
    assert 0.3 < values["auc/composed"] < 0.7 and 0.3 < values["accuracy/composed"] < 0.8


def test_a_run_leaves_result_files_and_curves(tmp_path: Path) -> None:
    metric, values = evaluated(3, resets=1)
    metric.keep(tmp_path)
    sets = {entry["protocol"]: entry for entry in read_json(tmp_path / CURVES)["sets"]}
    assert sets["OPE"]["scores"]["auc"] == pytest.approx(values["auc/composed"])
    assert np.mean(sets["OPE"]["scores"]["success_curve"]) == pytest.approx(values["auc/composed"])
    assert sets["VOT"]["scores"]["lost"] == 1
    assert sets["OPE"]["frames_per_second"] == pytest.approx(50)
    assert sets["OPE"]["frames_per_second_with_reading"] == pytest.approx(25)
    (rows,) = read_rows([result_file(tmp_path / TRACKS / "composed", "VOT", "composed-test-0")])
    assert rows.counts.tolist()[:12] == [1, 4, 4, 4, 4, 1, 1, 1, 1, 1, 1, 4]
    json.dumps(sets, allow_nan=False)


@pytest.mark.parametrize("name", ["{outside}", "../outside"])
def test_result_files_lie_in_the_runs_folder_whatever_a_set_is_called(tmp_path: Path, name: str) -> None:
    """Also of a set of one's own, whose name nobody has made a title of."""
    name, outside = name.format(outside=tmp_path / "outside"), tmp_path / "outside"
    outside.mkdir()
    made = composed("test", sequences=1, length=12)
    assert isinstance(made, TrialSet)
    metric = TrackingScores()
    metric.dataset_meta = {"annotations": {(name, "OPE"): made.annotations["composed", "OPE"]}}
    (sequence,) = made.sequences
    track = Track(sequence.name, tuple(sequence.boxes), np.full(12, 0.02), 1.0)
    metric.process({}, [{"trial": Trial(name, "OPE", sequence), "tracks": (track,)}])
    metric.evaluate(1)
    metric.keep(tmp_path / "run")
    assert not any(outside.iterdir())
    (kept,) = (tmp_path / "run").rglob("*.txt")
    assert kept == result_file(tracks_of(tmp_path / "run", name), "OPE", sequence.name)
