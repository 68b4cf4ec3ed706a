"""Overlap of regions as VOT counts it: in pixels, inside the image.

A region is drawn row by row. The edges that cross a row give its nodes, and the pixels from the first node to the
second are filled, both included. Three rules are in use:

- "pysot" (and the MATLAB toolkit since 2016): corners are rounded, halves away from zero; a box x, y, w, h has its
  corners at x and x + w, so that w + 1 pixels are filled; a row whose nodes are one pixel stays empty.
- "vot-toolkit": halves to even; a box fills w pixels; a row of one pixel is filled.
- "legacy" (the MATLAB toolkit until 2015): nothing is rounded, and the second node is left out.

Almost all regions are convex with up to four corners, and those of all frames are drawn at once: one span of pixels a
row. What is not convex, and the legacy rule, are drawn pair by pair. The toolkits' rounding errors are not followed:
where an edge meets a row at a whole number, they may find the pixel before it (one overlap in 140 on VOT2018 differs,
by 1e-4; scores by 1e-6).
"""

from __future__ import annotations

from functools import reduce
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Rule = Literal["pysot", "vot-toolkit", "legacy"]

_UNBOUNDED = 1 << 15
"""Where there is no image: how far from the origin regions are drawn, in all directions."""
_FRAMES_AT_ONCE = 1500
"""Their rows of pixels fit into the processor's cache: half the time of all frames at once."""


class Regions(NamedTuple):
    """Regions of N frames.

    Attributes:
        corners: (N, V, 2) x, y of the corners, V >= 4; a region of fewer repeats its last one. nan where there is none.
        is_box: (N,) whether the region was given as x, y, w, h.
    """

    corners: Floats
    is_box: NDArray[np.bool_]

    @classmethod
    def of_boxes(cls, boxes: Floats) -> Regions:
        """From (N, 4) x, y, w, h."""
        x, y, w, h = boxes.T
        corners = np.stack([x, y, x + w, y, x + w, y + h, x, y + h], axis=1)
        return cls(corners.reshape(-1, 4, 2), np.ones(len(boxes), bool))

    def take(self, frames: Integers | NDArray[np.bool_] | list[int]) -> Regions:
        """Those of some frames."""
        return Regions(self.corners[frames], self.is_box[frames])


class Outline(NamedTuple):
    """Regions of N frames on the grid of pixels, by one rule.

    Attributes:
        corners: (N, V, 2) whole numbers; the pixels of the corners belong to the region.
        extent: (N, 4) left, top, right, bottom that decide whether two regions can meet at all, cut to the image.
        regular: (N,) convex, with up to four corners.
    """

    corners: Floats
    extent: Floats
    regular: NDArray[np.bool_]

    def take(self, frames: Integers) -> Outline:
        """Those of some frames."""
        return Outline(self.corners[frames], self.extent[frames], self.regular[frames])


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


class Truth:
    """Ground truth of N frames, drawn once for all trackers.

    Args:
        regions: of N frames.
        sizes: (N, 2) width and height of the images, nan where unknown: nothing is cut off then.
        rule: how regions are drawn.
    """

    def __init__(self, regions: Regions, sizes: Floats, rule: Rule) -> None:
        self.regions, self.rule = regions, rule
        self.bounded = ~np.isnan(sizes[:, 0])
        # Without an image everything moves to the middle of a large one.
        self.sizes = np.where(self.bounded[:, None], sizes, 2.0 * _UNBOUNDED)
        if rule != "legacy":
            self.outline = self._outline(regions, np.arange(len(sizes)))
            self.drawing = _draw(self.outline, self.sizes, rule)

    def _outline(self, regions: Regions, frames: Integers) -> Outline:
        shift = np.where(self.bounded[frames], 0.0, _UNBOUNDED)
        return outline(regions, self.sizes[frames], shift, self.rule)

    def overlaps(self, found: Regions, frames: Integers) -> Floats:
        """Overlaps of regions with the truth of these frames.

        Args:
            found: (M) regions.
            frames: (M,) the index of each one's frame.

        Returns:
            (M,) intersection over union in pixels; nan where the frame has no truth.
        """
        result = np.full(len(frames), np.nan)
        known = ~np.isnan(self.regions.corners[frames, 0, 0])
        if not known.all():
            result[known] = self.overlaps(found.take(known), frames[known])
            return result
        if self.rule == "legacy":
            slow = np.ones(len(frames), bool)
        else:
            mine = self._outline(found, frames)
            meet = _can_meet(self.outline.extent[frames], mine.extent, self.sizes[frames], self.rule, result)
            slow = meet & ~(mine.regular & self.outline.regular[frames])
            fast = np.flatnonzero(meet & ~slow)
            for start in range(0, len(fast), _FRAMES_AT_ONCE):
                part = fast[start : start + _FRAMES_AT_ONCE]
                result[part] = self._meet(mine.take(part), found.is_box[part], frames[part])
        if slow.any():
            from tasks.tracking.evaluation.raster_pairs import pair_overlap

            for index in np.flatnonzero(slow).tolist():
                frame = int(frames[index])
                size = self.sizes[frame] if self.bounded[frame] else None
                result[index] = pair_overlap(found.take([index]), self.regions.take([frame]), size, self.rule)
        return result

    def _meet(self, mine: Outline, is_box: NDArray[np.bool_], frames: Integers) -> Floats:
        """Intersection over union of regular regions with the truth of `frames`."""
        truth, sizes = self.drawing, self.sizes[frames]
        if is_box.all():
            left, top, right, bottom = _box_pixels(mine.corners, sizes, self.rule)
            area = np.maximum(right - left + 1, 0) * np.maximum(bottom - top + 1, 0)
            other = None
        else:
            other = _draw(mine, sizes, self.rule)
            top, bottom, area = other.top, other.top + other.rows - 1, other.area
        start = np.maximum(truth.top[frames], top)
        rows = np.maximum(np.minimum(truth.top[frames] + truth.rows[frames] - 1, bottom) - start + 1, 0)
        begin = np.cumsum(rows) - rows
        steps = np.arange(int(rows.sum()))
        place = steps + np.repeat(truth.first[frames] + start - truth.top[frames] - begin, rows)
        if other is None:
            left, right = (np.repeat(values.astype(truth.left.dtype), rows) for values in (left, right))
        else:
            own = steps + np.repeat(other.first + start - other.top - begin, rows)
            left, right = other.left[own], other.right[own]
        shared = np.minimum(truth.right[place], right)
        shared -= np.maximum(truth.left[place], left)
        shared += 1
        np.maximum(shared, 0, out=shared)
        meeting = _sums(shared, begin, rows)
        union = area + truth.area[frames] - meeting
        overlap: Floats = np.divide(meeting, union, out=np.zeros(len(frames)), where=union > 0)
        return overlap


def outline(regions: Regions, sizes: Floats, shift: Floats, rule: Rule) -> Outline:
    """Regions on the grid of pixels, by any rule but "legacy".

    Args:
        regions: of N frames.
        sizes: (N, 2) width and height of the images.
        shift: (N,) added to all coordinates after rounding.
        rule: how regions are drawn.
    """
    # The toolkits keep single precision; where a corner lies at a half, it decides.
    corners = regions.corners.astype(np.float32).astype(np.float64)
    moved = shift.any()
    if rule == "pysot":
        low, high = _extremes(corners)
        low, high = np.floor(low), np.ceil(high)
        rounded = np.floor(corners + 0.5)
        if (negative := corners < 0).any():
            # Halves go away from zero, but are rounded after the move into a frame where nothing is negative.
            negative &= (shift == 0)[:, None, None]
            rounded[negative] = -np.floor(0.5 - corners[negative])
        corners = rounded
        regular = _convex(corners)
    else:
        box = regions.is_box[:, None]
        start = np.round(corners[:, 0])
        extent = np.round((regions.corners[:, 2] - regions.corners[:, 0]).astype(np.float32)).astype(np.float64)
        end = start + extent - 1
        corners = np.where(box[:, :, None], start[:, None], np.round(corners))
        corners[:, 1:3, 0] = np.where(box, end[:, :1], corners[:, 1:3, 0])
        corners[:, 2:4, 1] = np.where(box, end[:, 1:], corners[:, 2:4, 1])
        low, high = _extremes(corners)
        low, high = np.where(box, start, low), np.where(box, end, high)
        regular = _convex(corners) & (high[:, 1] > low[:, 1]) & (high[:, 0] >= low[:, 0])
    if moved:
        corners, low, high = corners + shift[:, None, None], low + shift[:, None], high + shift[:, None]
    if rule == "pysot":
        low, high = np.maximum(low, 0), np.minimum(high, sizes - 1)
    return Outline(corners, np.concatenate([low, high], axis=1), regular)


def _extremes(corners: Floats) -> tuple[Floats, Floats]:
    """The least and the greatest x and y of each region, (N, 2) each: corner by corner, 8 times faster than `min`."""
    columns = [corners[:, corner] for corner in range(corners.shape[1])]
    return reduce(np.minimum, columns), reduce(np.maximum, columns)


def _convex(corners: Floats) -> NDArray[np.bool_]:
    if corners.shape[1] > 4:
        return np.zeros(len(corners), bool)
    x, y = (np.ascontiguousarray(corners[..., axis].T) for axis in (0, 1))
    across, drop = x[[1, 2, 3, 0]] - x, y[[1, 2, 3, 0]] - y
    turns = across * drop[[1, 2, 3, 0]] - drop * across[[1, 2, 3, 0]]
    once = np.maximum(drop, 0).sum(axis=0) == y.max(axis=0) - y.min(axis=0)
    convex: NDArray[np.bool_] = ((turns >= 0).all(axis=0) | (turns <= 0).all(axis=0)) & once
    return convex


def _can_meet(truth: Floats, mine: Floats, sizes: Floats, rule: Rule, result: Floats) -> NDArray[np.bool_]:
    """Which pairs have to be drawn; the overlaps of the others go into `result`."""
    result[:] = 0
    if rule == "pysot":
        shared = np.minimum(truth[:, 2:], mine[:, 2:]) - np.maximum(truth[:, :2], mine[:, :2])
        alive = (truth[:, 2:] > truth[:, :2]) & (mine[:, 2:] > mine[:, :2]) & (shared > 0)
        meet: NDArray[np.bool_] = alive.all(axis=1)
        return meet
    low, high = np.minimum(truth[:, :2], mine[:, :2]), np.maximum(truth[:, 2:], mine[:, 2:])
    empty = (low >= high).any(axis=1)
    result[empty] = 1  # two empty regions are the same one
    outside = (np.maximum(low, 0) >= np.minimum(high, sizes - 1)).any(axis=1)
    meet = ~empty & ~outside
    return meet


def _box_pixels(corners: Floats, sizes: Floats, rule: Rule) -> tuple[Integers, Integers, Integers, Integers]:
    """First and last column and row of boxes inside the image: left, top, right, bottom."""
    one, other = corners[:, 0], corners[:, 2]
    if rule == "pysot":
        flat = (one == other).any(axis=1)
        low, high = np.minimum(one, other), np.maximum(one, other)
        high = np.where(flat[:, None], low - 1, high)
    else:
        low, high = one, other
    low, high = np.maximum(low, 0), np.minimum(high, sizes - 1)
    left, top = np.minimum(low, sizes).T.astype(np.int64)
    right, bottom = np.maximum(high, -1).T.astype(np.int64)
    return left, top, right, bottom


def _draw(outline: Outline, sizes: Floats, rule: Rule) -> Drawing:
    """Spans of pixels of the regular regions; the others get no rows."""
    columns = np.int16 if sizes.max(initial=0) < np.iinfo(np.int16).max else np.int32
    corners = outline.corners[:, :4]
    if not outline.regular.all():
        corners = np.where(outline.regular[:, None, None], corners, 0)
    parts = [
        _spans(corners[start : start + _FRAMES_AT_ONCE], sizes[start : start + _FRAMES_AT_ONCE], rule, columns)
        for start in range(0, max(len(corners), 1), _FRAMES_AT_ONCE)
    ]
    top, rows, left, right, area = (np.concatenate(values) for values in zip(*parts, strict=True))
    return Drawing(top, rows, np.cumsum(rows) - rows, left, right, area)


def _spans(
    corners: Floats, sizes: Floats, rule: Rule, columns: type[np.signedinteger[Any]]
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
    thin = left == right if rule == "pysot" else None
    if (x < 0).any():
        np.maximum(left, 0, out=left)
    if (x >= width).any():
        np.minimum(right, np.repeat((width - 1).astype(np.int32), rows), out=right)
        np.minimum(left, np.repeat(width.astype(np.int32), rows), out=left)
    if thin is not None:
        right[thin] = -1
    np.maximum(right, -1, out=right)
    return top, rows, left.astype(columns), right.astype(columns), _sums(np.maximum(right - left + 1, 0), first, rows)


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


def _sums(values: NDArray[np.signedinteger[Any]], first: Integers, lengths: Integers) -> Integers:
    """The sum of each run of `lengths` values, which begin at `first`."""
    total = np.zeros(len(lengths), np.int64)
    some = np.flatnonzero(lengths)
    if len(some):
        total[some] = np.add.reduceat(values, first[some], dtype=np.int64)
    return total
