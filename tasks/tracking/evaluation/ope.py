"""Scores of runs without resets: OTB's OPE, SRE and TRE, the same curves on LaSOT and UAV123, GOT-10k's overlaps."""

from __future__ import annotations

import numpy as np

from lwdna_core.errors import LwdnaError
from tasks.tracking.evaluation import boxes
from tasks.tracking.evaluation.annotations import Annotations
from tasks.tracking.evaluation.conventions import Convention
from tasks.tracking.evaluation.lengths import of_length, truth_of
from tasks.tracking.evaluation.results import Protocol, Results, Run
from tasks.tracking.evaluation.scores import Scores
from tasks.tracking.evaluation.sequence import ATTRIBUTES, Sequence, without_omitted
from tasks.tracking.evaluation.spans import Floats

PIXELS = 20
"""The error, in pixels and in hundredths of the target's size, at which precision is reported; also its index."""


def evaluate_boxes(results: Results, annotations: Annotations, convention: Convention) -> Scores:
    """Score a tracker's boxes: curves, their values, per sequence and per attribute.

    All runs of a sequence are pooled: SRE's twelve, TRE's twenty, or repeated ones. A tracker's curve is the mean of
    its sequences' curves. "ao" is the mean overlap of the annotated frames, likewise averaged over sequences.

    Raises LwdnaError with file and line for what is no box, and with the file for a length that the convention refuses.
    """
    found, truth, owner, frames = [], [], [], []
    for index, (name, runs) in enumerate(results.runs.items()):
        aligned = [
            _aligned(run, annotations.sequences[name], annotations, convention, results.protocol) for run in runs
        ]
        found += [own for own, _, _ in aligned]
        truth += [real for _, real, _ in aligned]
        owner += [np.full(len(real), index) for _, real, _ in aligned]
        frames.append(sum(length for _, _, length in aligned))
    sequence, lengths = np.concatenate(owner), np.array(frames)
    overlap, error, normalised = boxes.frame_scores(np.concatenate(found), np.concatenate(truth), convention)
    curves = {
        "success_curve": boxes.success_curves(overlap, sequence, lengths, convention.overlap_thresholds),
        "precision_curve": boxes.precision_curves(error, sequence, lengths, boxes.ERROR_THRESHOLDS),
        "normalised_precision_curve": boxes.precision_curves(
            normalised, sequence, lengths, boxes.NORMALISED_THRESHOLDS
        ),
    }
    annotated = overlap != boxes.FAILURE
    total = np.bincount(sequence, np.where(annotated, np.nan_to_num(overlap), 0), len(lengths))
    columns = {
        "auc": curves["success_curve"].mean(axis=1),
        "precision_20": curves["precision_curve"][:, PIXELS],
        "normalised_precision_20": curves["normalised_precision_curve"][:, PIXELS],
        "overlap_precision_50": curves["success_curve"][:, len(convention.overlap_thresholds) // 2],
        "ao": total / np.maximum(np.bincount(sequence, annotated, len(lengths)), 1),
    }
    if convention.name == "got10k":
        columns["success_rate_50"] = columns["overlap_precision_50"]
    return _summary(results, annotations, columns, curves)


def _summary(
    results: Results, annotations: Annotations, columns: dict[str, Floats], curves: dict[str, Floats]
) -> Scores:
    """Means over sequences, and over those of each attribute, of values (S,) and curves (S, thresholds)."""
    names = list(results.runs)
    members: dict[str, list[int]] = {}
    for index, name in enumerate(names):
        for attribute in annotations.sequences[name].attributes:
            members.setdefault(attribute, []).append(index)
    order = [*(code for code in ATTRIBUTES if code in members), *sorted(members.keys() - ATTRIBUTES.keys())]
    return Scores(
        tracker=results.tracker,
        protocol=results.protocol,
        values={key: float(column.mean()) for key, column in columns.items()},
        curves={key: curve.mean(axis=0) for key, curve in curves.items()},
        sequences={name: {key: float(column[i]) for key, column in columns.items()} for i, name in enumerate(names)},
        attributes={
            attribute: {"sequences": len(members[attribute])}
            | {key: float(column[members[attribute]].mean()) for key, column in columns.items()}
            for attribute in order
        },
        attribute_curves={
            attribute: {key: curve[members[attribute]].mean(axis=0) for key, curve in curves.items()}
            for attribute in order
        },
    )


def _aligned(
    run: Run, sequence: Sequence, annotations: Annotations, convention: Convention, protocol: Protocol
) -> tuple[Floats, Floats, int]:
    """Boxes, their ground truth, and the number of frames by which counts are divided."""
    sequence = truth_of(sequence, annotations, convention)
    rows = run.rows if protocol == "TRE" else without_omitted(run.rows, sequence)
    found, truth, first = rows.table(4, run.source), sequence.boxes(), sequence.first_frame
    begin = 0
    if protocol == "TRE":
        begin = len(truth) - len(found) if run.start is None else run.start - first
        if not 0 <= begin < len(truth):
            raise LwdnaError(
                f"{run.source}: a run from frame {begin + first} on, of {len(truth)} from frame {first} on"
            )
        truth = truth[begin:]
    found = of_length(found, len(truth), run, sequence, convention)
    if convention.invalid == "repeat":
        found = boxes.repeat_invalid(found, truth[: len(found)])
    if convention.short == "cut":
        truth = truth[: len(found)]
    frames = len(truth)
    if convention.first_is_truth:
        found = np.concatenate([truth[:1], found[1:]])
    keep = None
    if convention.unannotated == "got10k":
        keep = ~np.isnan(truth).any(axis=1)
        frames = int(keep.sum())
        if not frames:
            raise LwdnaError(f"{sequence.source}: no ground truth but nan")
    elif annotations.kind == "LaSOT" and sequence.present is not None:
        keep = sequence.present[begin : begin + frames]  # what is left out is a failure: it stays in the count
    return (found, truth, frames) if keep is None or keep.all() else (found[keep], truth[keep], frames)


def evaluate_got10k(results: Results, annotations: Annotations) -> Scores:
    """GOT-10k's average overlap, and its success rates: the shares of overlaps above 0.5 and 0.75.

    All frames of all sequences and runs are pooled, but for the first of each and those in which the target is hidden
    (cover 0). Boxes are cut to the image first, as got10k's toolkit does it: the corner moves, the size stays.

    Raises LwdnaError with the file whose length is not that of the ground truth.
    """
    pooled, sequences = [], {}
    for name, runs in results.runs.items():
        sequence = annotations.sequences[name]
        truth, size = sequence.boxes(), sequence.size()
        shown = np.ones(len(truth), bool) if sequence.present is None else sequence.present
        of_runs = []
        for run in runs:
            found = run.rows.table(4, run.source)
            if len(found) != len(truth):
                raise LwdnaError(f"{run.source}: {len(found)} lines for {len(truth)} frames in {sequence.source}")
            overlap = boxes.overlaps(_inside(found[1:], size), _inside(truth[1:], size))
            of_runs.append(np.nan_to_num(np.clip(overlap, 0, 1))[shown[1:]])
        overlap = np.concatenate(of_runs)
        pooled.append(overlap)
        if len(overlap):
            sequences[name] = _rates(overlap)
    every = np.concatenate(pooled)
    if not len(every):
        raise LwdnaError(f"{annotations.name}: no frame after the first in which a target is to be seen")
    curve = (every[:, None] > np.linspace(0, 1, 101)).mean(axis=0)
    return Scores(results.tracker, results.protocol, _rates(every), {"success_curve": curve}, sequences)


def _rates(overlap: Floats) -> dict[str, float]:
    return {
        "ao": float(overlap.mean()),
        "success_rate_50": float((overlap > 0.5).mean()),
        "success_rate_75": float((overlap > 0.75).mean()),
    }


def _inside(boxes: Floats, size: tuple[float, float] | None) -> Floats:
    if size is None:
        return boxes
    start = np.clip(boxes[:, :2], 0, size)
    return np.concatenate([start, np.clip(boxes[:, 2:], 0, np.array(size) - start)], axis=1)
