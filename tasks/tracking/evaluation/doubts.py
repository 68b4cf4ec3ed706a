"""Results that score, but seldom as their author meant: boxes that are no numbers, and boxes in another format."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.tracking.evaluation.annotations import Annotations
from tasks.tracking.evaluation.boxes import overlaps
from tasks.tracking.evaluation.conventions import Convention
from tasks.tracking.evaluation.regions import NO_NUMBER, regions_of
from tasks.tracking.evaluation.results import Results, Run
from tasks.tracking.evaluation.sequence import Sequence, without_omitted
from tasks.tracking.evaluation.shapes import extremes
from tasks.tracking.evaluation.spans import Floats
from tasks.tracking.evaluation.textfiles import Rows

_NEAR = 1.01
"""Pixels by which a first box may differ from the truth: some trackers write whole numbers."""
_MET = 0.3
"""Overlap from which the second box shows that the format is right, whatever stands in the first line."""


def doubts(results: Results, annotations: Annotations, convention: Convention) -> list[str]:
    """What a reader of the scores should know of boxes that are no numbers, or seem to be of another format."""
    told = [*_no_numbers(results, annotations, convention), *_other_format(results, annotations)]
    return [f"{results.tracker}: {text}" for text in told]


def _no_numbers(results: Results, annotations: Annotations, convention: Convention) -> list[str]:
    """The lines in which nan or inf stands where the truth is a box, and what becomes of them."""
    count, first = 0, ""
    for runs in (results.runs, results.unsupervised):
        for name, of_sequence in runs.items():
            for run in of_sequence:
                if np.isfinite(run.rows.values).all():
                    continue
                wrong = np.flatnonzero(_wrong_lines(run, annotations, annotations.sequences[name], results.protocol))
                if len(wrong) and not count:
                    first = f"{run.source}, line {wrong[0] + 1}"
                count += len(wrong)
    if not count:
        return []
    become = "count as overlap 0" if convention.invalid == "fail" else "count as the box before"
    lines = "1 line of results is" if count == 1 else f"{count} lines of results are"
    return [f"{lines} no numbers where the ground truth is ({first}), and {become}"]


def _wrong_lines(run: Run, annotations: Annotations, sequence: Sequence, protocol: str) -> NDArray[np.bool_]:
    """(N,) the lines of a run that should hold numbers, as its truth does, and do not."""
    wrong = _not_finite(run.rows)
    if annotations.kind == "VOT":  # where nan may also be a code
        wrong &= regions_of(run.rows, run.source).codes == NO_NUMBER
    if protocol != "TRE":  # whose runs begin anywhere
        known = ~_not_finite(sequence.rows)
        length = min(len(wrong), len(known))
        wrong[:length] &= known[:length]
    return wrong


def _not_finite(rows: Rows) -> NDArray[np.bool_]:
    """(N,) the lines in which a value is no finite number."""
    lines = np.repeat(np.arange(len(rows)), rows.counts)
    wrong: NDArray[np.bool_] = np.bincount(lines, ~np.isfinite(rows.values), len(rows)) > 0
    return wrong


class _Start(NamedTuple):
    """The first two boxes of a file, and of its truth; one where there is but one frame."""

    source: str
    found: Floats
    truth: Floats


def _other_format(results: Results, annotations: Annotations) -> list[str]:
    """Whether most files of a single pass begin with another box than the truth.

    A tracker may write whole numbers, and anything in the first line, which many toolkits replace: where the second box
    meets the target the format is right, but for an origin that is a pixel off.
    """
    if results.protocol != "OPE":
        return []
    starts = [s for name, runs in results.runs.items() for run in runs if (s := _start(run, annotations, name))]
    expected = "expected x,y,w,h, with pixels counted as the annotations count them"
    off, shifted = [], []
    for start in starts:
        change = start.found[0] - start.truth[0]
        if min(np.abs(change - [one, one, 0, 0]).max() for one in (1, -1)) < 0.01:
            shifted.append(start)
        elif np.abs(change).max() > _NEAR and not (overlaps(start.found, start.truth)[1:] >= _MET).any():
            off.append(start)
    if 2 * len(off) > len(starts):
        start = off[0]
        x, y, w, h = start.truth[0]
        corners = np.abs(start.found[0] - [x, y, x + w, y + h]).max() <= 2
        seems = "; they seem to be x1,y1,x2,y2" if corners else ""
        text = f"the first boxes are far from the ground truth's in {len(off)} of {len(starts)} files"
        return [f"{text} ({_told(start)}){seems}: {expected}"]
    if 2 * len(shifted) > len(starts) and annotations.kind != "VOT":
        text = f"the first boxes are a pixel off the ground truth's in {len(shifted)} of {len(starts)} files"
        return [f"{text} ({_told(shifted[0])}): {expected}"]
    return []


def _start(run: Run, annotations: Annotations, name: str) -> _Start | None:
    """None where the file, or its truth, does not begin with numbers; of polygons the boxes around them."""
    sequence = annotations.sequences[name]
    rows = without_omitted(run.rows, sequence)
    count = min(2, len(rows), len(sequence))
    found, truth = _boxes(rows, count), _boxes(sequence.rows, count)
    if found is None or truth is None:
        return None
    return _Start(run.source, found, truth)


def _boxes(rows: Rows, count: int) -> Floats | None:
    counts = rows.counts[:count]
    values = rows.values[: counts.sum()]
    if (counts != counts[0]).any() or counts[0] not in (4, 8) or not np.isfinite(values).all():
        return None
    table = values.reshape(count, -1)
    if counts[0] == 4:
        return table
    low, high = extremes(table.reshape(count, 4, 2))
    return np.concatenate([low, high - low], axis=1)


def _told(start: _Start) -> str:
    found, truth = (",".join(f"{n:g}" for n in box) for box in (start.found[0], start.truth[0]))
    return f"{start.source}: {found}, the truth {truth}"
