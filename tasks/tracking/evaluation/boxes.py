"""Boxes against boxes: overlaps, distances of centres, and the curves made of them. All boxes are (N, 4) x, y, w, h."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tasks.tracking.evaluation.conventions import Convention
from tasks.tracking.evaluation.spans import Floats

ERROR_THRESHOLDS = np.arange(51.0)
"""Pixels, of the precision curve."""
NORMALISED_THRESHOLDS = np.arange(51) / 100
"""Shares of the target's width and height, of the normalised precision curve."""

FAILURE = -1.0
"""The overlap of a frame that counts as a failure at all thresholds, and the error of one that is a hit at all."""


def overlaps(found: Floats, truth: Floats) -> Floats:
    """Intersection over union, (N,); 0 where both are empty, nan where a number is."""
    low = np.maximum(found[:, :2], truth[:, :2])
    high = np.minimum(found[:, :2] + found[:, 2:], truth[:, :2] + truth[:, 2:])
    width, height = np.maximum(high - low, 0).T
    shared = width * height
    union = found[:, 2] * found[:, 3] + truth[:, 2] * truth[:, 3] - shared
    overlap: Floats = np.divide(shared, union, out=np.zeros(len(shared)), where=union != 0)
    return overlap


def centres(boxes: Floats) -> Floats:
    """(N, 2): the middle of the first and the last pixel."""
    middle: Floats = boxes[:, :2] + (boxes[:, 2:] - 1) / 2
    return middle


def distances(one: Floats, other: Floats) -> Floats:
    """Between (N, 2) points, (N,)."""
    length: Floats = np.sqrt(np.square(one - other).sum(axis=1))
    return length


def frame_scores(found: Floats, truth: Floats, convention: Convention) -> tuple[Floats, Floats, Floats]:
    """Overlap, error of the centre in pixels, and normalised error of every frame, as the convention has them.

    Args:
        found: (N, 4) boxes, the first of each run replaced already where the convention does so.
        truth: (N, 4) boxes.
        convention: it decides on frames whose truth has no size or position.

    Returns:
        Three (N,) arrays: -1 and nan are failures in overlap; in the errors -1 is a hit and nan a failure.
    """
    overlap = overlaps(found, truth)
    own, real = centres(found), centres(truth)
    error = distances(own, real)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        if convention.normaliser == "or one":
            normalised = distances((own - real) / np.maximum(truth[:, 2:], 1), np.zeros((len(own), 2)))
        else:
            size = truth[:, 2:] + 1e-16
            normalised = distances(own / size, real / size)
    if convention.unannotated == "official":
        none = ~(truth > 0).all(axis=1)
        overlap[none] = error[none] = normalised[none] = FAILURE
    elif convention.unannotated == "pysot":
        overlap[~(truth[:, 2:] > 0).all(axis=1)] = FAILURE
        error[~(real > 0).all(axis=1)] = FAILURE
        normalised[~(real / (truth[:, 2:] + 1e-16) > 0).all(axis=1)] = FAILURE
        overlap = np.clip(overlap, FAILURE, 1)
    return overlap, error, normalised


def repeat_invalid(found: Floats, truth: Floats) -> Floats:
    """The box before in place of one that is nan or has no size, where there is a truth, as LaSOT's toolkit has it.

    Args:
        found: (N, 4) boxes of one run.
        truth: (N, 4) boxes.

    Returns:
        (N, 4). The first box stays, whatever it is.
    """
    invalid = np.any(np.isnan(found), axis=1) | np.any(found[:, 2:] <= 0, axis=1)
    invalid &= ~np.any(np.isnan(truth), axis=1)
    invalid[:1] = False
    return found[np.maximum.accumulate(np.where(invalid, 0, np.arange(len(found))))]


def success_curves(
    overlap: Floats, sequence: NDArray[np.int64], lengths: NDArray[np.int64], thresholds: Floats
) -> Floats:
    """The share of each sequence's frames whose overlap is greater than each threshold, (S, thresholds).

    Args:
        overlap: (N,) of all frames.
        sequence: (N,) which sequence each belongs to.
        lengths: (S,) by how many frames a sequence's counts are divided.
        thresholds: ascending.
    """
    overlap = np.where(np.isnan(overlap), FAILURE, overlap)
    passed = np.searchsorted(thresholds, overlap, side="left")  # how many thresholds each frame exceeds
    return _at_least(passed, sequence, lengths, len(thresholds))


def precision_curves(
    error: Floats, sequence: NDArray[np.int64], lengths: NDArray[np.int64], thresholds: Floats
) -> Floats:
    """The share of each sequence's frames whose error is at most each threshold; otherwise as `success_curves`."""
    first = np.searchsorted(thresholds, error, side="left")  # the first threshold that each error meets; nan: none
    passed = len(thresholds) - first
    return _at_least(passed, sequence, lengths, len(thresholds))[:, ::-1]


def _at_least(
    passed: NDArray[np.int64], sequence: NDArray[np.int64], lengths: NDArray[np.int64], levels: int
) -> Floats:
    counts = np.bincount(sequence * (levels + 1) + passed, minlength=len(lengths) * (levels + 1))
    above = counts.reshape(len(lengths), levels + 1)[:, ::-1].cumsum(axis=1)[:, ::-1][:, 1:]
    shares: Floats = above / lengths[:, None]
    return shares
