"""The legacy rule of `raster`, by which the MATLAB toolkit drew regions until 2015, for many pairs at once.

Rows and columns are counted from the upper left of the two regions that are compared, and nothing but the places where
edges cross the rows is cut down to whole numbers. So the truth is drawn anew for every region that it is compared with.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tasks.tracking.evaluation.shapes import Regions, extremes
from tasks.tracking.evaluation.spans import Blocks, Drawing, Floats, Integers, shared_pixels, sums


def one_span_a_row(corners: Floats) -> NDArray[np.bool_]:
    """Which of N polygons (N, V, 2) lead down once and up once on their way round: rows cross them in one span."""
    _, y = _from_the_highest(corners)
    drop = np.roll(y, -1, axis=0) - y
    again: NDArray[np.bool_] = np.any(np.logical_or.accumulate(drop < 0, axis=0) & (drop > 0), axis=0)
    return ~again


def legacy_overlaps(found: Regions, truth: Regions, sizes: Floats) -> Floats:
    """Intersection over union in pixels, (N,).

    Args:
        found, truth: N regions each, of one span a row.
        sizes: (N, 2) width and height of the images; nan: nothing is cut off.
    """
    shapes = [regions.corners.astype(np.float32).astype(np.float64) for regions in (truth, found)]
    ends = [extremes(corners) for corners in shapes]
    # `fmax` and `fmin` pass over nan.
    low, high = np.fmax([low for low, _ in ends], 0 * sizes), np.fmin([high for _, high in ends], sizes - 1)
    result = np.zeros(len(sizes))
    pairs = np.flatnonzero(((high > low).all(axis=0) & (high.min(axis=0) > low.max(axis=0))).all(axis=1))
    origin = low.min(axis=0)[pairs]
    extent = (high.max(axis=0)[pairs] - origin).astype(np.int64) + 1
    mine, other = (corners[pairs] - origin[:, None] for corners in shapes)
    drawn = _draw(mine, extent)
    boxes = found.is_box[pairs]
    for chosen, method in ((np.flatnonzero(boxes), _block), (np.flatnonzero(~boxes), _draw)):
        if len(chosen):
            drawn_other = method(other[chosen], extent[chosen])
            shared = shared_pixels(drawn, chosen, drawn_other)
            union = drawn_other.area + drawn.area[chosen] - shared
            result[pairs[chosen]] = np.divide(shared, union, out=np.zeros(len(chosen)), where=union > 0)
    return result


def _from_the_highest(corners: Floats) -> tuple[Floats, Floats]:
    """The x and y, (V, N) each, of polygons, from the highest corner on: their edges lead down first and then up."""
    highest, steps = np.argmin(corners[..., 1], axis=1), np.arange(corners.shape[1])
    order = (highest[:, None] + steps) % corners.shape[1]
    x, y = np.take_along_axis(corners, order[..., None], axis=1).transpose(2, 1, 0)
    return x, y


def _block(corners: Floats, extent: Integers) -> Blocks:
    """The pixels of boxes (N, V, 2) inside rectangles of some extent (N, 2)."""
    (left, low), (right, high) = (ends.T for ends in extremes(corners))
    rows = (
        np.maximum(np.floor(low).astype(np.int64) + 1, 0),
        np.minimum(np.floor(high).astype(np.int64), extent[:, 1] - 1),
    )
    columns = _columns(left, right, extent[:, 0])
    return Blocks(columns[0], rows[0], columns[1], rows[1])


def _columns(left: Floats, right: Floats, width: Integers) -> tuple[Integers, Integers]:
    """First and last column between two edges: the column of the right one is left out, and cut once too often where it
    lies beyond the rectangle.
    """
    first, end = left.astype(np.int64), right.astype(np.int64)
    return np.maximum(first, 0), np.minimum(np.where(end > width, width - 1, end) - 1, width - 1)


def _draw(corners: Floats, extent: Integers) -> Drawing:
    """The pixels of polygons (N, V, 2) inside rectangles of some extent (N, 2)."""
    x, y = _from_the_highest(corners)
    next_x, next_y = np.roll(x, -1, axis=0), np.roll(y, -1, axis=0)
    drop = next_y - y
    begin = np.maximum(np.floor(np.minimum(y, next_y)) + 1, 0)
    stop = np.minimum(np.floor(np.maximum(y, next_y)), extent[:, 1] - 1)
    crossed = np.maximum(stop - begin + 1, 0).astype(np.int64)
    down, up = np.where(drop > 0, crossed, 0), np.where(drop < 0, crossed, 0)
    rows = down.sum(axis=0)
    first = np.cumsum(rows) - rows
    top = np.maximum(np.floor(y[0]).astype(np.int64) + 1, 0)
    row = np.arange(float(rows.sum())) + np.repeat((top - first).astype(float), rows)

    def places(numbers: Integers, step: int) -> Floats:
        """Where the edges that lead down, or up, cross the rows, from top to bottom."""
        each = numbers[::step].T.ravel()
        at_x, at_y, across, fall = (
            np.repeat(values[::step].T.ravel(), each) for values in (next_x, next_y, x - next_x, -drop)
        )
        place: Floats = at_x + (row - at_y) / fall * across
        return place

    one, other = places(down, 1), places(up, -1)
    left, right = _columns(np.minimum(one, other), np.maximum(one, other), np.repeat(extent[:, 0], rows))
    return Drawing(top, rows, first, left, right, sums(np.maximum(right - left + 1, 0), first, rows))
