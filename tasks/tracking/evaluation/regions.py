"""Lines of numbers as regions: boxes, polygons, and the codes that stand in VOT's results in their place."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lwdna_core.errors import LwdnaError
from tasks.tracking.evaluation.shapes import Regions
from tasks.tracking.evaluation.textfiles import Rows

UNKNOWN, INITIALISED, FAILED = 0, 1, 2
"""What one number in a line of VOT's results says: nothing known (skipped), started here, lost here."""
REGION = -1
"""The code of a line that holds a region."""
NO_NUMBER = -2
"""The code of a line that should hold one and in which a number is nan."""


class Trajectory(NamedTuple):
    """A region or a code for every frame.

    Attributes:
        regions: of N frames; nan where there is a code.
        codes: (N,) REGION, NO_NUMBER, UNKNOWN, INITIALISED or FAILED.
    """

    regions: Regions
    codes: NDArray[np.int64]


def regions_of(rows: Rows, name: object) -> Trajectory:
    """Lines of 1 number (a code), 4 (a box) or 6 and more (the corners of a polygon).

    nan anywhere in a line leaves no region in it, but for the nan, nan, nan, -code of VOT 2013 and 2014; nan alone is
    the code that says that nothing is known.

    Raises LwdnaError with `name` and line of anything else.
    """
    counts = rows.counts
    wrong = np.flatnonzero((counts != 1) & (counts != 4) & ((counts < 6) | (counts % 2 == 1)))
    if len(wrong):
        raise LwdnaError(
            f"{name}, line {wrong[0] + 1}: expected a code, a box of 4 numbers or a polygon of 6 or more, "
            f"got {counts[wrong[0]]} numbers"
        )
    first = np.cumsum(counts) - counts
    codes = np.full(len(counts), REGION)
    corners = np.full((len(counts), max(4, int(counts.max(initial=0)) // 2), 2), np.nan)
    for size in np.flatnonzero(np.bincount(counts)).tolist():
        lines = np.flatnonzero(counts == size)
        values = rows.values[first[lines, None] + np.arange(size)]
        if len(endless := np.flatnonzero(np.isinf(values).any(axis=1))):
            raise LwdnaError(
                f"{name}, line {lines[endless[0]] + 1}: expected finite numbers, or nan where nothing is known"
            )
        if size == 1:
            codes[lines] = _codes(values[:, 0], lines, name)
            continue
        shape = Regions.of_boxes(values).corners if size == 4 else values.reshape(len(lines), -1, 2)
        corners[lines, : shape.shape[1]] = shape
        corners[lines, shape.shape[1] :] = shape[:, -1:]
        unknown = np.isnan(values).any(axis=1)
        if unknown.any():
            codes[lines[unknown]] = NO_NUMBER
            coded = (size == 4) & np.isnan(values[:, :3]).all(axis=1) & ~np.isnan(values[:, -1])
            codes[lines[coded]] = _codes(-values[coded, -1], lines[coded], name)
            corners[lines[unknown]] = np.nan
    return Trajectory(Regions(corners, counts == 4), codes)


def _codes(values: NDArray[np.float64], lines: NDArray[np.int64], name: object) -> NDArray[np.int64]:
    known = (values == UNKNOWN) | (values == INITIALISED) | (values == FAILED)
    wrong = np.flatnonzero(~known & ~np.isnan(values))
    if len(wrong):
        line = lines[wrong[0]] + 1
        raise LwdnaError(f"{name}, line {line}: expected the code 0, 1 or 2, or a region, got {values[wrong[0]]:g}")
    return np.where(np.isnan(values), UNKNOWN, values).astype(np.int64)
