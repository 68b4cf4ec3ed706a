"""The field's scores as an mmengine metric: it hands tracks to the evaluation, by set and protocol."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric

from lwdna_core.compare.results import FORMAT, write_json
from lwdna_core.data.sources import set_title
from tasks.tracking.evaluation.conventions import find_convention
from tasks.tracking.evaluation.ope import evaluate_boxes, evaluate_got10k
from tasks.tracking.evaluation.results import Results, Run
from tasks.tracking.evaluation.scores import Scores
from tasks.tracking.evaluation.vot import VotTruth, evaluate_overlaps, evaluate_resets
from tasks.tracking.experiments import Track
from tasks.tracking.result_files import result_file, write_tracks

_CURVES = ("auc", "precision_20", "normalised_precision_20", "overlap_precision_50")
_OVERLAPS = ("ao", "success_rate_50", "success_rate_75")
_RESETS = ("eao", "accuracy", "robustness", "lost")
TRACKS, CURVES = "tracks", "tracks.json"
"""Of a run's folder: the result files by set, and the curves and speeds."""
_OF_ITEMS = ("auc", "precision_20", "ao", "accuracy")


class TrackingScores(BaseMetric):  # type: ignore[misc]
    """`auc/OTB`, `eao/VOT2018`, `ao/GOT-10k/val`, `auc/OTB-SRE`: a measure of a set, as it is published.

    On sets of GOT-10k average overlap and success rates, on VOT without resets average overlap, else OTB's measures; by
    the convention that is usual for the set.

    Attributes:
        items: scores per sequence of the last evaluation, by metric.
    """

    default_prefix = ""  # the sets are in the names

    def __init__(self) -> None:
        super().__init__(collect_device="cpu")
        self.items: dict[str, dict[str, float]] = {}
        self._tracks: dict[tuple[str, str], dict[str, tuple[Track, ...]]] = {}

    def process(self, data_batch: dict[str, Any], data_samples: Sequence[dict[str, Any]]) -> None:
        for sample in data_samples:
            self.results.append((sample["trial"].set, sample["trial"].protocol, sample["tracks"]))

    def compute_metrics(self, results: list[Any]) -> dict[str, float]:
        self.items, self._tracks, values = {}, {}, {}
        for name, protocol, tracks in results:
            self._tracks.setdefault((name, protocol), {})[tracks[0].sequence] = tracks
        for (name, protocol), by_sequence in self._tracks.items():
            scores, measures = self._score(name, protocol, by_sequence)
            called = set_name(name, protocol)
            for measure in measures:
                if np.isfinite(value := scores.values.get(measure, np.nan)):
                    values[f"{measure}/{called}"] = float(value)
                if measure in _OF_ITEMS:
                    rows = {s: v[measure] for s, v in scores.sequences.items() if np.isfinite(v.get(measure, np.nan))}
                    self.items[f"{measure}/{called}"] = rows
        return values

    def _score(self, name: str, protocol: str, tracks: dict[str, tuple[Track, ...]]) -> tuple[Scores, tuple[str, ...]]:
        """The scores, and which of them are reported."""
        annotations = (self.dataset_meta or {})["annotations"][name, protocol]
        runs = {
            sequence: [Run(track.rows, f"{name}/{sequence}", track.start) for track in of_sequence]
            for sequence, of_sequence in tracks.items()
        }
        results = Results("this run", protocol, runs)  # type: ignore[arg-type]
        convention = find_convention(None, annotations.kind)
        if annotations.kind == "VOT":
            score, measures = (evaluate_resets, _RESETS) if protocol == "VOT" else (evaluate_overlaps, _OVERLAPS)
            return score(results, VotTruth(annotations, convention)), measures
        if annotations.kind == "GOT-10k":
            return evaluate_got10k(results, annotations), _OVERLAPS
        return evaluate_boxes(results, annotations, convention), _CURVES

    def keep(self, folder: Path) -> None:
        """Leave result files as the toolkits have them in `tracks/SET/`, curves and speed in `tracks.json`."""
        content: dict[str, Any] = {"format": FORMAT, "sets": []}
        for (name, protocol), tracks in self._tracks.items():
            for sequence, of_sequence in tracks.items():
                write_tracks(result_file(tracks_of(folder, name), protocol, sequence), protocol, of_sequence)
            scores, _ = self._score(name, protocol, tracks)
            speed = [len(t.seconds) / t.seconds.sum() for runs in tracks.values() for t in runs]
            with_reading = [len(t.seconds) / t.wall for runs in tracks.values() for t in runs]
            content["sets"].append(
                {"set": name, "protocol": protocol, "scores": json.loads(json.dumps(scores.to_json())),
                 "frames_per_second": float(np.mean(speed)),
                 "frames_per_second_with_reading": float(np.mean(with_reading))}
            )  # fmt: skip
        write_json(folder / CURVES, content)


def tracks_of(run_folder: Path, name: str) -> Path:
    """Where a run keeps its result files on a set; in its own folder, whatever the set is called."""
    return run_folder / TRACKS / set_title(name)


def set_name(name: str, protocol: str) -> str:
    """What metrics call a set under a protocol."""
    return f"{name}-{protocol}" if protocol in ("SRE", "TRE") else name
