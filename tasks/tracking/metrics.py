"""The field's scores as an mmengine metric: it hands tracks to the evaluation, by set and protocol."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric

from lwdna_core.compare.results import FORMAT, write_json
from tasks.tracking.evaluation.conventions import find_convention
from tasks.tracking.evaluation.ope import evaluate_boxes
from tasks.tracking.evaluation.results import Results, Run
from tasks.tracking.evaluation.scores import Scores
from tasks.tracking.evaluation.vot import VotTruth, evaluate_resets
from tasks.tracking.experiments import Track
from tasks.tracking.result_files import result_file, write_track

_REPORTED = {
    "OPE": ("auc", "precision_20", "normalised_precision_20", "overlap_precision_50"),
    "VOT": ("eao", "accuracy", "robustness", "lost"),
}
TRACKS, CURVES = "tracks", "tracks.json"
"""Of a run's folder: the result files by set, and the curves and speeds."""
_OF_ITEMS = ("auc", "precision_20", "accuracy")


class TrackingScores(BaseMetric):  # type: ignore[misc]
    """`auc/OTB`, `eao/VOT2018` and their like: a measure of a set, by the convention in which it is published.

    Attributes:
        items: scores per sequence of the last evaluation, by metric.
    """

    def __init__(self) -> None:
        super().__init__(collect_device="cpu")
        self.items: dict[str, dict[str, float]] = {}
        self._tracks: dict[tuple[str, str], dict[str, Track]] = {}

    def process(self, data_batch: dict[str, Any], data_samples: Sequence[dict[str, Any]]) -> None:
        for sample in data_samples:
            self.results.append((sample["trial"].set, sample["trial"].protocol, sample["track"]))

    def compute_metrics(self, results: list[Any]) -> dict[str, float]:
        self.items, self._tracks, values = {}, {}, {}
        for name, protocol, track in results:
            self._tracks.setdefault((name, protocol), {})[track.sequence] = track
        for (name, protocol), tracks in self._tracks.items():
            scores = self._score(name, protocol, tracks)
            for measure in _REPORTED[protocol]:
                if np.isfinite(value := scores.values.get(measure, np.nan)):
                    values[f"{measure}/{name}"] = float(value)
                if measure in _OF_ITEMS:
                    rows = {s: v[measure] for s, v in scores.sequences.items() if np.isfinite(v.get(measure, np.nan))}
                    self.items[f"{measure}/{name}"] = rows
        return values

    def _score(self, name: str, protocol: str, tracks: dict[str, Track]) -> Scores:
        annotations = (self.dataset_meta or {})["annotations"][name, protocol]
        runs = {sequence: [Run(track.rows, f"{name}/{sequence}")] for sequence, track in tracks.items()}
        results = Results("this run", protocol, runs)  # type: ignore[arg-type]
        convention = find_convention(None, annotations.kind)
        if protocol == "VOT":
            return evaluate_resets(results, VotTruth(annotations, convention))
        return evaluate_boxes(results, annotations, convention)

    def keep(self, folder: Path) -> None:
        """Leave result files as the toolkits have them in `tracks/SET/`, curves and speed in `tracks.json`."""
        content: dict[str, Any] = {"format": FORMAT, "sets": []}
        for (name, protocol), tracks in self._tracks.items():
            for sequence, track in tracks.items():
                write_track(result_file(folder / TRACKS / name, protocol, sequence), track)
            scores = self._score(name, protocol, tracks)
            speed = [len(t.seconds) / t.seconds.sum() for t in tracks.values()]
            with_reading = [len(t.seconds) / t.wall for t in tracks.values()]
            content["sets"].append(
                {"set": name, "protocol": protocol, "scores": json.loads(json.dumps(scores.to_json())),
                 "frames_per_second": float(np.mean(speed)),
                 "frames_per_second_with_reading": float(np.mean(with_reading))}
            )  # fmt: skip
        write_json(folder / CURVES, content)
