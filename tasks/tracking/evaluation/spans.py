"""Convex regions as spans of pixels: one in every row, of all frames at once."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

FRAMES_AT_ONCE = 1500
"""Their rows of pixels fit into the processor's cache: half the time of all frames at once."""


class Drawing(NamedTuple):
    """The pixels of N regular regions: a span in each of their rows.

    Attributes:
        top: (N,) first row inside the image.
        rows: (N,) number of rows.
        first: (N,) where its spans begin.
        left, right: first and last column of each span; right < left where the row is empty.
        area: (N,) number of pixels.
    """

    top: Integers
    rows: Integers
    first: Integers
    left: NDArray[np.signedinteger[Any]]
    right: NDArray[np.signedinteger[Any]]
    area: Integers


class Blocks(NamedTuple):
    """The pixels of N upright boxes: (N,) first and last column and row; the last is before the first where none is."""

    left: Integers
    top: Integers
    right: Integers
    bottom: Integers

    @property
    def area(self) -> Integers:
        """(N,) number of pixels."""
        columns, rows = self.right - self.left + 1, self.bottom - self.top + 1
        pixels: Integers = np.maximum(columns, 0) * np.maximum(rows, 0)
        return pixels


def shared_pixels(one: Drawing, chosen: Integers, other: Drawing | Blocks) -> Integers:
    """How many pixels the `chosen` M of some regions have in common with M others, one by one, (M,)."""
    first, top = one.first[chosen], one.top[chosen]
    bottom = other.bottom if isinstance(other, Blocks) else other.top + other.rows - 1
    start = np.maximum(top, other.top)
    rows = np.maximum(np.minimum(top + one.rows[chosen] - 1, bottom) - start + 1, 0)
    begin = np.cumsum(rows) - rows
    steps = np.arange(int(rows.sum()))
    place = steps + np.repeat(first + start - top - begin, rows)
    if isinstance(other, Blocks):
        left, right = (np.repeat(values.astype(one.left.dtype), rows) for values in (other.left, other.right))
    else:
        own = steps + np.repeat(other.first + start - other.top - begin, rows)
        left, right = other.left[own], other.right[own]
    shared = np.minimum(one.right[place], right)
    shared -= np.maximum(one.left[place], left)
    shared += 1
    np.maximum(shared, 0, out=shared)
    return sums(shared, begin, rows)


def draw(corners: Floats, sizes: Floats, thin: bool) -> Drawing:
    """Fill regions.

    Args:
        corners: (N, 4, 2) of convex polygons, whole numbers.
        sizes: (N, 2) width and height of the images.
        thin: whether a row of one pixel is filled; else it stays empty.
    """
    columns = np.int16 if sizes.max(initial=0) < np.iinfo(np.int16).max else np.int32
    parts = [
        _spans(corners[start : start + FRAMES_AT_ONCE], sizes[start : start + FRAMES_AT_ONCE], thin, columns)
        for start in range(0, max(len(corners), 1), FRAMES_AT_ONCE)
    ]
    top, rows, left, right, area = (np.concatenate(values) for values in zip(*parts, strict=True))
    return Drawing(top, rows, np.cumsum(rows) - rows, left, right, area)


def _spans(
    corners: Floats, sizes: Floats, thin: bool, columns: type[np.signedinteger[Any]]
) -> tuple[Integers, Integers, NDArray[Any], NDArray[Any], Integers]:
    """Of regular regions: first row, number of rows, first and last column of every row, number of pixels."""
    # From the highest corner on, the edges lead down first and then up.
    highest = np.argmin(corners[..., 1], axis=1)
    x, y = np.take_along_axis(corners, ((highest[:, None] + np.arange(4)) % 4)[..., None], axis=1).transpose(2, 1, 0)
    next_x, next_y = x[[1, 2, 3, 0]], y[[1, 2, 3, 0]]
    width, height = sizes.T
    down = _chain(x, y, next_x, next_y, height)
    up = _chain(next_x[::-1], next_y[::-1], x[::-1], y[::-1], height)
    rows = down[2].reshape(-1, 4).sum(axis=1)
    first = np.cumsum(rows) - rows
    top = np.clip(y[0], 0, height).astype(np.int64)
    row = np.arange(float(rows.sum())) + np.repeat((top - first).astype(float), rows)
    sides = []
    for at_zero, slope, edges in (down, up):
        place = np.repeat(slope, edges)
        place *= row
        place += np.repeat(at_zero, edges)
        # Whole numbers may come out a rounding error short, and the rest is cut off towards zero.
        place += np.copysign(1e-7, place) if (x < 0).any() else 1e-7
        sides.append(place.astype(np.int32))
    left, right = np.minimum(*sides), np.maximum(*sides)
    empty = None if thin else left == right
    if (x < 0).any():
        np.maximum(left, 0, out=left)
    if (x >= width).any():
        np.minimum(right, np.repeat((width - 1).astype(np.int32), rows), out=right)
        np.minimum(left, np.repeat(width.astype(np.int32), rows), out=left)
    if empty is not None:
        right[empty] = -1
    np.maximum(right, -1, out=right)
    return top, rows, left.astype(columns), right.astype(columns), sums(np.maximum(right - left + 1, 0), first, rows)


def _chain(
    x: Floats, y: Floats, next_x: Floats, next_y: Floats, height: Floats
) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """The edges of N regions that lead down, from top to bottom: x = a + b * y, and how many rows each crosses.

    Together they cross every row once: a row between two edges belongs to the lower one, the last row to the last edge.

    Args:
        x, y: (4, N) where each edge begins.
        next_x, next_y: (4, N) where it ends.
        height: (N,) of the images; other rows are left out.

    Returns:
        a, b and the number of rows, (N * 4), region by region; no rows for an edge that does not lead down.
    """
    drop = next_y - y
    leads_down = drop > 0
    slope = np.divide(next_x - x, drop, out=np.zeros_like(drop), where=leads_down)
    stop = np.minimum(next_y + (next_y == next_y.max(axis=0)), height)  # the last edge has the lowest corner's row
    rows = np.maximum(stop, 0) - np.clip(y, 0, height)
    rows = np.where(leads_down, rows, 0).astype(np.int64)
    return (x - y * slope).T.ravel(), slope.T.ravel(), rows.T.ravel()


def sums(values: NDArray[np.signedinteger[Any]], first: Integers, lengths: Integers) -> Integers:
    """The sum of each run of `lengths` values, which begin at `first`."""
    total = np.zeros(len(lengths), np.int64)
    some = np.flatnonzero(lengths)
    if len(some):
        total[some] = np.add.reduceat(values, first[some], dtype=np.int64)
    return total
