"""VOT's expected overlap: how much overlap a tracker has on average over a sequence of N frames, for every N.

Runs with resets are cut into fragments, from a start on. A fragment that ended in a failure goes on with overlap 0 for
ever; one that reached the end of its sequence says nothing beyond. The curve at N is the weighted mean, over the
fragments known up to N, of each one's mean overlap in frames 2 to N.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.tracking.evaluation.regions import FAILED, INITIALISED
from tasks.tracking.evaluation.spans import Floats

SKIPPED = 5
"""Frames between a failure and the next start."""

Flags = NDArray[np.bool_]


class Attempts(NamedTuple):
    """Runs with resets: for each one codes (n,), overlaps (n,) with nan where there is a code, and a weight."""

    codes: list[NDArray[np.int64]]
    overlaps: list[Floats]
    weights: list[float]


class Fragment(NamedTuple):
    """Frames `start` to `stop` (excluded) of run `run`, which ended in a failure or not."""

    run: int
    start: int
    stop: int
    failed: bool


def expected_overlap(
    attempts: Attempts, tags: list[Mapping[str, Flags]], recipe: Literal["pysot", "vot-toolkit"]
) -> dict[str, Floats]:
    """The curve by tag, a value for each length from 1 on; nan where nothing is known.

    Args:
        attempts: runs.
        tags: for every run the flags (n,) of its frames by tag: a fragment weighs in by the share of its frames that
            have it.
        recipe: "pysot", the MATLAB toolkit's: a fragment goes on from a start until the next start, included, over
            failure and skipped frames with overlap 0; one whose failure comes too late for another start counts as
            complete. "vot-toolkit": it ends before the failure, and all weigh the same.
    """
    fragments = [
        fragment
        for run, codes in enumerate(attempts.codes)
        for fragment in (_until_restart(run, codes) if recipe == "pysot" else _until_failure(run, codes))
    ]
    longest = max(len(overlap) for overlap in attempts.overlaps)
    values = np.full((len(fragments), longest), np.nan)
    for row, (run, start, stop, failed) in zip(values, fragments, strict=True):
        overlap = attempts.overlaps[run][start:stop]
        if failed:
            row[:] = 0
        # Only of a run that never failed, unknown frames stay unknown.
        unknown = recipe == "pysot" and not (attempts.codes[run] == FAILED).any()
        row[: len(overlap)] = overlap if unknown else np.nan_to_num(overlap)
    known = ~np.isnan(values)
    values[:, 0] = 0  # the frame of the start
    means = np.cumsum(values, axis=1)
    means[:, 1:] /= np.arange(1, longest)
    means[~known] = 0
    shares = _shares(fragments, tags)
    if recipe == "pysot":
        shares = shares * np.array([attempts.weights[fragment.run] for fragment in fragments])
    total = shares @ known.astype(float)
    curves = np.divide(shares @ means, total, out=np.full(total.shape, np.nan), where=total > 0)
    curves[:, 0] = 1 if recipe == "pysot" else np.nan
    return dict(zip(tags[0], curves, strict=True))


def _shares(fragments: list[Fragment], tags: list[Mapping[str, Flags]]) -> Floats:
    """(tags, fragments): the share of each fragment's frames that has each tag."""
    before = [np.cumsum(np.stack(list(of_run.values())), axis=1) for of_run in tags]
    shares = [
        (before[run][:, stop - 1] - (before[run][:, start - 1] if start else 0)) / (stop - start)
        for run, start, stop, _ in fragments
    ]
    return np.stack(shares, axis=1)


def _until_restart(run: int, codes: NDArray[np.int64]) -> list[Fragment]:
    length = len(codes)
    points = [0, *(p for p in (np.flatnonzero(codes == FAILED) + SKIPPED).tolist() if p <= length)]
    ended = [Fragment(run, a, min(b + 1, length), True) for a, b in pairwise(points)]
    return [*ended, *([Fragment(run, points[-1], length, False)] if points[-1] < length else [])]


def _until_failure(run: int, codes: NDArray[np.int64]) -> list[Fragment]:
    failures = np.flatnonzero(codes == FAILED).tolist()
    if not failures:
        return [Fragment(run, 0, len(codes), False)]
    starts = np.flatnonzero(codes == INITIALISED).tolist()
    ended = [Fragment(run, a, b, True) for a, b in zip(starts, failures, strict=False)]
    return [*ended, *(Fragment(run, a, len(codes), False) for a in starts[len(failures) :][-1:])]
