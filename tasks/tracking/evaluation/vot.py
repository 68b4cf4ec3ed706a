"""VOT's measures: accuracy, robustness and expected average overlap with resets, and average overlap without.

A run with resets holds a code where the tracker was started (1), where it failed, that is had no overlap left (2), and
in the frames that were skipped until the next start (0).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lwdna_core.errors import LwdnaError
from tasks.tracking.evaluation.annotations import Annotations
from tasks.tracking.evaluation.conventions import EAO_INTERVALS, Convention
from tasks.tracking.evaluation.expected_overlap import Attempts, expected_overlap
from tasks.tracking.evaluation.polygons import exact_overlaps
from tasks.tracking.evaluation.raster import Truth
from tasks.tracking.evaluation.regions import FAILED, INITIALISED, NO_NUMBER, REGION, Trajectory, regions_of
from tasks.tracking.evaluation.results import Results, Run
from tasks.tracking.evaluation.scores import Scores
from tasks.tracking.evaluation.sequence import TAGS, Sequence, without_omitted
from tasks.tracking.evaluation.shapes import Rule
from tasks.tracking.evaluation.spans import Floats
from tasks.tracking.evaluation.textfiles import Rows

BURN_IN = 10
"""Frames from each start on that accuracy leaves out: the overlap there is the initialisation's."""

Flags = NDArray[np.bool_]
Integers = NDArray[np.int64]


class VotTruth:
    """Ground truth of all sequences, drawn once for all trackers.

    Args:
        annotations: their sequences.
        convention: how regions are drawn.

    Raises LwdnaError with file and line of what is no region, and with the file in which nothing is known.
    """

    def __init__(self, annotations: Annotations, convention: Convention) -> None:
        self.annotations, self.convention = annotations, convention
        sequences = annotations.sequences.values()
        self.lengths = np.array([len(sequence) for sequence in sequences])
        self.first = dict(zip(annotations.sequences, (np.cumsum(self.lengths) - self.lengths).tolist(), strict=True))
        sizes = np.array([sequence.size() or (np.nan, np.nan) for sequence in sequences])
        self.unbounded = [s.name for s, size in zip(sequences, sizes, strict=True) if np.isnan(size[0])]
        rule: Rule | None = convention.raster
        if convention.name == "official" and annotations.year is not None and annotations.year <= 2015:
            # The MATLAB toolkit's stacks of those years.
            rule, sizes = "legacy", np.full_like(sizes, np.nan)
        self.sizes = np.repeat(sizes, self.lengths, axis=0)
        self.regions = trajectory([s.rows for s in sequences], [s.source for s in sequences]).regions
        known = np.add.reduceat(~np.isnan(self.regions.corners[:, 0, 0]), list(self.first.values()), dtype=np.int64)
        for sequence, number in zip(sequences, known.tolist(), strict=True):
            if not number:
                raise LwdnaError(f"{sequence.source}: no ground truth but nan")
        self.drawn = Truth(self.regions, self.sizes, rule) if rule else None

    def overlaps(self, found: Trajectory, frames: Integers) -> Floats:
        """(M,) overlaps of found regions with the truth of these frames; nan where there is a code or no truth.

        What holds nan in place of a number overlaps nothing: pysot and vot-toolkit, too, leave out codes alone.
        """
        overlap = np.full(len(frames), np.nan)
        held = np.flatnonzero(found.codes == REGION)
        regions = found.regions.take(held)
        if self.drawn:
            overlap[held] = self.drawn.overlaps(regions, frames[held])
        else:
            overlap[held] = exact_overlaps(regions, self.regions.take(frames[held]), self.sizes[frames[held]])
        overlap[(found.codes == NO_NUMBER) & ~np.isnan(self.regions.corners[frames, 0, 0])] = 0
        return overlap

    def tags(self, sequence: Sequence) -> dict[str, Flags]:
        """A sequence's tags, and "empty": none of them."""
        none = np.zeros(len(sequence), bool)
        tags = {tag: sequence.tags.get(tag, none) for tag in TAGS}
        return tags | {"empty": ~np.logical_or.reduce(list(tags.values()))}


def trajectory(rows: list[Rows], names: list[str]) -> Trajectory:
    """The lines of several files, one after the other. Raises LwdnaError with file and line of what is no region."""
    try:
        return regions_of(Rows(np.concatenate([r.values for r in rows]), np.concatenate([r.counts for r in rows])), "")
    except LwdnaError:
        for of_file, name in zip(rows, names, strict=True):
            regions_of(of_file, name)
        raise


class Attempt(NamedTuple):
    """One run over one sequence, cut to the length of its ground truth.

    Attributes:
        sequence: its name.
        codes: (n,) as in `Trajectory`.
        overlap: (n,), nan where there is a code.
        valid: (n,) whether a frame counts in the accuracy.
        lost: number of failures.
        weight: one over the number of runs on the sequence.
    """

    sequence: str
    codes: Integers
    overlap: Floats
    valid: Flags
    lost: int
    weight: float


def read_attempts(runs: Mapping[str, list[Run]], truth: VotTruth) -> list[Attempt]:
    """All runs of a tracker against the truth. Raises LwdnaError with the file whose length the convention refuses."""
    listed = [(name, run, len(of_sequence)) for name, of_sequence in runs.items() for run in of_sequence]
    sequences = [truth.annotations.sequences[name] for name, _, _ in listed]
    rows = [without_omitted(run.rows, sequence) for (_, run, _), sequence in zip(listed, sequences, strict=True)]
    found = trajectory(rows, [run.source for _, run, _ in listed])
    lengths = np.array([len(of_run) for of_run in rows])
    first = np.cumsum(lengths) - lengths
    cut = np.minimum(lengths, [len(sequence) for sequence in sequences])
    for (_, run, _), sequence, length in zip(listed, sequences, lengths.tolist(), strict=True):
        if length != len(sequence) and truth.convention.name in ("vot-toolkit", "got10k"):
            raise LwdnaError(f"{run.source}: {length} lines for {len(sequence)} frames in {sequence.source}")
    # Which line of the files, and which frame of the truth, stands in each place of the runs after the cut.
    begin = np.cumsum(cut) - cut
    place = np.arange(int(cut.sum())) - np.repeat(begin, cut)
    lines = place + np.repeat(first, cut)
    frames = place + np.repeat([truth.first[name] for name, _, _ in listed], cut)
    used = Trajectory(found.regions.take(lines), found.codes[lines])
    overlap = truth.overlaps(used, frames)
    starts = np.flatnonzero(used.codes == INITIALISED)
    burning = np.zeros(len(overlap), bool)
    end = np.repeat(begin + cut, cut)[starts]
    for offset in range(BURN_IN):
        inside = starts + offset < end
        burning[starts[inside] + offset] = True
    valid = ~burning & ~np.isnan(overlap)
    failures = np.add.reduceat(found.codes == FAILED, first, dtype=np.int64)  # those after the cut as well
    return [
        Attempt(name, used.codes[a:b], overlap[a:b], valid[a:b], lost, 1 / number)
        for (name, _, number), a, b, lost in zip(
            listed, begin.tolist(), (begin + cut).tolist(), failures.tolist(), strict=True
        )
    ]


def evaluate_resets(results: Results, truth: VotTruth) -> Scores:
    """Score a tracker's runs with resets; its runs without, where there are some, give "ao".

    Several runs of a sequence (15, for a tracker that is not deterministic) are averaged frame by frame.
    """
    convention, annotations = truth.convention, truth.annotations
    attempts = read_attempts(results.runs, truth)
    by_sequence: dict[str, list[Attempt]] = {name: [] for name in results.runs}
    for attempt in attempts:
        by_sequence[attempt.sequence].append(attempt)
    frames = {name: _frames(of_sequence) for name, of_sequence in by_sequence.items()}
    sequences = {
        name: {"accuracy": _mean(overlap), "lost": float(lost.sum())} for name, (overlap, lost) in frames.items()
    }
    tags = {name: truth.tags(annotations.sequences[name]) for name in by_sequence}
    attributes = _by_tag(frames, tags)
    values = _accuracy_robustness(convention, by_sequence, frames, attributes)
    curves = {}
    if convention.eao:
        runs = Attempts([a.codes for a in attempts], [a.overlap for a in attempts], [a.weight for a in attempts])
        shown = {name: {"all": np.ones(len(flags["empty"]), bool)} | flags for name, flags in tags.items()}
        expected = expected_overlap(runs, [shown[a.sequence] for a in attempts], convention.eao)
        curves["expected_overlap_curve"] = expected["all"]
        if interval := EAO_INTERVALS.get(annotations.year or 0):
            scores = {tag: _over_interval(curve, interval, convention) for tag, curve in expected.items()}
            values["eao"] = scores.pop("all")
            attributes = {tag: row | ({"eao": scores[tag]} if tag in scores else {}) for tag, row in attributes.items()}
    if results.unsupervised:
        values["ao"], without = average_overlap(results.unsupervised, truth)
        sequences = {name: row | {"ao": without[name]} for name, row in sequences.items()}
    return Scores(results.tracker, "VOT", values, curves, sequences, attributes)


def _frames(attempts: list[Attempt]) -> tuple[Floats, Floats]:
    """Of one sequence, by frame: the mean overlap of the runs in which it counts, and the mean number of losses."""
    length = min(len(attempt.codes) for attempt in attempts)
    valid = np.stack([attempt.valid[:length] for attempt in attempts])
    overlap = np.stack([attempt.overlap[:length] for attempt in attempts])
    count = valid.sum(axis=0)
    total = np.where(valid, overlap, 0).sum(axis=0)
    mean = np.divide(total, count, out=np.full(length, np.nan), where=count > 0)
    lost = np.mean([attempt.codes[:length] == FAILED for attempt in attempts], axis=0)
    return mean, lost


def _mean(overlap: Floats) -> float:
    known = overlap[~np.isnan(overlap)]
    return float(known.mean()) if len(known) else math.nan


def _by_tag(
    frames: Mapping[str, tuple[Floats, Floats]], tags: Mapping[str, Mapping[str, Flags]]
) -> dict[str, dict[str, float]]:
    """Accuracy, losses and number of frames of the frames with each tag."""
    rows = {}
    for tag in (*TAGS, "empty"):
        chosen = [tags[name][tag][: len(overlap)] for name, (overlap, _) in frames.items()]
        number = float(sum(flags.sum() for flags in chosen))
        if number:
            pairs = list(zip(frames.values(), chosen, strict=True))
            lost = float(sum(lost[flags].sum() for (_, lost), flags in pairs))
            overlap = np.concatenate([overlap[flags] for (overlap, _), flags in pairs])
            rows[tag] = {
                "frames": number,
                "accuracy": _mean(overlap),
                "robustness": 100 * lost / number,
                "lost": lost,
            }
    return rows


def _accuracy_robustness(
    convention: Convention,
    by_sequence: Mapping[str, list[Attempt]],
    frames: Mapping[str, tuple[Floats, Floats]],
    tags: Mapping[str, Mapping[str, float]],
) -> dict[str, float]:
    lost = {name: float(np.mean([attempt.lost for attempt in runs])) for name, runs in by_sequence.items()}
    total = sum(lost.values())
    lengths = np.array([len(overlap) for overlap, _ in frames.values()])
    if convention.accuracy == "frames":
        accuracy = _mean(np.concatenate([overlap for overlap, _ in frames.values()]))
        robustness = 100 * total / float(lengths.sum())
    elif convention.accuracy == "sequences":
        means = [np.mean([_mean_or_zero(run) for run in runs]) for runs in by_sequence.values()]
        accuracy = float(np.average(means, weights=lengths))
        robustness = float(np.average(list(lost.values()), weights=lengths))
    else:
        rows = list(tags.values())
        weights = np.array([row["frames"] for row in rows]) / sum(row["frames"] for row in rows)
        accuracy = float(np.nan_to_num([row["accuracy"] for row in rows]) @ weights)
        robustness = float(np.array([row["lost"] for row in rows]) @ weights)
    return {"accuracy": accuracy, "robustness": robustness, "lost": total}


def _mean_or_zero(attempt: Attempt) -> float:
    return float(attempt.overlap[attempt.valid].mean()) if attempt.valid.any() else 0.0


def _over_interval(curve: Floats, interval: tuple[int, int], convention: Convention) -> float:
    """The mean of an expected overlap curve, whose first value is of length 1, over lengths from and to."""
    low, high = interval
    part = curve[low - 1 : high] if convention.eao == "pysot" else curve[low : high + 1]
    return _mean(part)


def evaluate_overlaps(results: Results, truth: VotTruth) -> Scores:
    """Score a tracker's runs without resets by their average overlap alone."""
    total, sequences = average_overlap(results.runs, truth)
    return Scores(
        results.tracker, results.protocol, {"ao": total}, sequences={name: {"ao": ao} for name, ao in sequences.items()}
    )


def average_overlap(runs: Mapping[str, list[Run]], truth: VotTruth) -> tuple[float, dict[str, float]]:
    """Mean overlap of runs without resets, and of each sequence; sequences are weighted by length.

    Frames with a code do not count. In vot-toolkit's convention neither do the frames after a start: ten of VOT's
    sequences, the first one of OTB's.
    """
    only_coded = truth.convention.name != "vot-toolkit" or truth.annotations.kind != "VOT"
    means: dict[str, list[float]] = {name: [] for name in runs}
    for attempt in read_attempts(runs, truth):
        counts = np.isin(attempt.codes, (REGION, NO_NUMBER)) if only_coded else attempt.valid
        means[attempt.sequence].append(_mean(attempt.overlap[counts]))
    sequences = {name: float(np.mean(values)) for name, values in means.items()}
    lengths = [len(truth.annotations.sequences[name]) for name in runs]
    return float(np.average(list(sequences.values()), weights=lengths)), sequences
